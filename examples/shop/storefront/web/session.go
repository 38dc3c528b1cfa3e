package web

import (
	"context"
	"encoding/json"
	"net/http"

	"crossfade.dev/crossfade/client"
)

// Session is what the storefront needs of one visitor's session: a part of [client.Session], which it
// is in production. Package alone gives one without Crossfade.
type Session interface {
	// Subject is who the session plane says is logged in; empty for a guest.
	Subject() string
	// Values are all values that this service may see, as JSON texts, read once per request.
	Values(ctx context.Context) (map[string]json.RawMessage, error)
	// Patch makes a change, all or nothing. It must come before the response begins: a guest's first
	// write gives the browser a new token. After [client.ErrConflict], Values reads anew.
	Patch(ctx context.Context, change client.Change) error
}

// Sessions finds the session of a request.
type Sessions func(*http.Request) Session

// FromCrossfade finds the session that the client library's middleware put into the request's context.
func FromCrossfade(r *http.Request) Session { return client.SessionFromContext(r.Context()) }
