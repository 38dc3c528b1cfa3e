package client

import (
	"encoding/json"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
)

// Session is the session of one request: who the visitor is, from the context, and the session's values,
// from the API. It is safe for concurrent use, and of no use after the request.
type Session struct {
	client *Client
	token  string
	claims *contextjwt.Claims
	out    *Reply

	mu      sync.Mutex
	read    bool // values and version are known, or failed says why not
	failed  error
	values  map[string]json.RawMessage
	version uint64            // as of the read
	wrote   map[string]uint64 // versions of keys that this request wrote since; 0: deleted
	written bool              // this request wrote the first values of a guest
	ended   bool
}

// Exists reports whether the visitor has a session in the new system, be it one without values yet.
// Without one nothing can be written.
func (s *Session) Exists() bool { return !s.claims.Session.IsZero() }

// ID is the session's public id, 32 hex digits; empty without a session.
func (s *Session) ID() string { return text(s.claims.Session) }

// Lineage is the id that all generations of the session in both systems share; empty without a session.
func (s *Session) Lineage() string { return text(s.claims.Lineage) }

// Visitor is the id of the browser, 32 hex digits: the same in both systems.
func (s *Session) Visitor() string { return text(s.claims.Visitor) }

// Authenticated reports whether somebody is logged in.
func (s *Session) Authenticated() bool { return s.claims.Kind == contextjwt.Authenticated }

// Subject is the user id as the identity platform gave it; empty for guests.
func (s *Session) Subject() string { return s.claims.Subject }

// AuthTime is when the user last proved who it is; zero for guests.
func (s *Session) AuthTime() time.Time {
	if s.claims.AuthTime == 0 {
		return time.Time{}
	}
	return time.Unix(s.claims.AuthTime, 0)
}

// Fresh reports whether the user proved who it is within the time given.
func (s *Session) Fresh(maxAge time.Duration) bool {
	return s.Authenticated() && s.client.cfg.Clock().Sub(s.AuthTime()) <= maxAge
}

// Methods is how the user logged in (RFC 8176 names: pwd, otp …).
func (s *Session) Methods() []string { return s.claims.Methods.List() }

// Level is the assurance level as the identity platform names it; may be empty.
func (s *Session) Level() string { return s.claims.Level }

// System is "new" or "legacy": the system that governs this request. Empty without a context.
func (s *Session) System() string { return string(s.claims.System) }

// Arm is "new", "legacy" or "none": the visitor's arm in the rollout's statistics.
func (s *Session) Arm() string { return string(s.claims.Arm) }

// Epoch is the rollout's epoch.
func (s *Session) Epoch() uint64 { return s.claims.Epoch }

// ReadOnly reports whether this request came with a cookie that a login has just replaced: it may see
// what the guest had, and write nothing.
func (s *Session) ReadOnly() bool { return s.claims.ReadOnly }

func text(id contextjwt.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
