package web

import (
	"context"
	"encoding/json"
	"net/http"
)

// Session is what the storefront needs of one visitor's session. The Crossfade client library gives it
// in production; package alone gives one without Crossfade.
type Session interface {
	// Subject is who the session plane says is logged in; empty for a guest.
	Subject() string
	// Read gives all values that this service may see.
	Read(ctx context.Context) (Values, error)
	// Write makes a change, all or nothing. It must come before the response's header is written: a
	// guest's first write gives the browser a new token. A *Conflict: read again and decide anew.
	Write(ctx context.Context, change Change) error
}

// Sessions finds the session of a request.
type Sessions interface {
	Of(r *http.Request) Session
}

// Values are a session's values at one version.
type Values struct {
	ByKey   map[string]json.RawMessage // JSON texts
	Version uint64
}

// Change sets and deletes values of a session.
type Change struct {
	Set    map[string]any // marshalled as JSON
	Delete []string
	// Guard names keys that must not have changed since the version; they may still be absent.
	Guard []string
	Since uint64
}

// Conflict is what a Write returns when a guarded key has changed.
type Conflict struct{ Err error }

func (c *Conflict) Error() string { return "the session has changed meanwhile: " + c.Err.Error() }

// Unwrap gives what the session plane said.
func (c *Conflict) Unwrap() error { return c.Err }
