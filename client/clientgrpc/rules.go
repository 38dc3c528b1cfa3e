package clientgrpc

import (
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crossfade.dev/crossfade/client"
)

// Rule says whom a method serves. Its zero value is [Visitors].
type Rule struct {
	kind   kind
	maxAge time.Duration
}

type kind uint8

const (
	visitors kind = iota
	authenticated
	fresh
	open
)

// Visitors serves everybody who comes through the edge, guests too.
func Visitors() Rule { return Rule{} }

// RequireAuthenticated serves logged-in visitors; others are answered with code Unauthenticated and the
// message "login_required".
func RequireAuthenticated() Rule { return Rule{kind: authenticated} }

// RequireFresh serves visitors who have logged in, or proved who they are again, within maxAge; others are
// answered with code Unauthenticated, and the message "login_required" or "fresh_login_required".
func RequireFresh(maxAge time.Duration) Rule { return Rule{kind: fresh, maxAge: maxAge} }

// Unchecked serves calls that did not come through the edge as well: health checks, reflection. No context is
// looked at, and the method sees a visitor without a session.
func Unchecked() Rule { return Rule{kind: open} }

// Rules gives each method its rule.
type Rules struct {
	// Default is for methods that Methods does not name.
	Default Rule
	// Methods by full name, "/shop.v1.Orders/Cancel", or all of a service, "/shop.v1.Orders/*". The full name
	// wins.
	Methods map[string]Rule
}

func (r Rules) of(method string) Rule {
	if rule, ok := r.Methods[method]; ok {
		return rule
	}
	if rule, ok := r.Methods[method[:strings.LastIndexByte(method, '/')+1]+"*"]; ok {
		return rule
	}
	return r.Default
}

func (r Rule) check(s *client.Session) error {
	switch {
	case r.kind == visitors:
		return nil
	case !s.Authenticated():
		return status.Error(codes.Unauthenticated, "login_required")
	case r.kind == fresh && !s.Fresh(r.maxAge):
		return status.Error(codes.Unauthenticated, "fresh_login_required")
	}
	return nil
}
