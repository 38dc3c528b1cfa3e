package clienttest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
)

// record is one session. Versions are the session's at the time of the write.
type record struct {
	values   map[string]json.RawMessage
	versions map[string]uint64
	version  uint64
	ended    string
}

// Visitor is one browser as the edge would present it.
type Visitor struct {
	c      *Crossfade
	claims contextjwt.Claims
	// outside of the edge
	outside bool
}

// Guest is a visitor with a session that has no values yet.
func (c *Crossfade) Guest() *Visitor {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	id, now := contextjwt.ID{0xc1, c.made}, c.clock().Unix()
	return &Visitor{c: c, claims: contextjwt.Claims{
		Audience: c.name, System: contextjwt.New, Arm: contextjwt.ArmNew, Visitor: contextjwt.ID{0x71, c.made},
		Session: id, Lineage: id, Generation: 1, Kind: contextjwt.Guest,
		Unwritten: true, GuestIssued: now, GuestExpires: now + 3600,
	}}
}

// Customer is a visitor who has just logged in as a subject.
func (c *Crossfade) Customer(subject string) *Visitor {
	v := c.Guest()
	v.LogIn(subject)
	return v
}

// Stranger is a visitor without a session in the new system: one that legacy governs.
func (c *Crossfade) Stranger() *Visitor {
	g := c.Guest()
	return &Visitor{c: c, claims: contextjwt.Claims{
		Audience: c.name, System: contextjwt.Legacy, Arm: contextjwt.ArmLegacy, Visitor: g.claims.Visitor,
	}}
}

// Outsider is somebody who reaches the service past the edge: the requests have no context.
func (c *Crossfade) Outsider() *Visitor { return &Visitor{c: c, outside: true} }

// LogIn makes the visitor authenticated, with the values that it has.
func (v *Visitor) LogIn(subject string) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	v.c.open(v.claims.Session)
	c := &v.claims
	c.Kind, c.Subject, c.AuthTime, c.Methods = contextjwt.Authenticated, subject, v.c.clock().Unix(), "pwd"
	c.Unwritten, c.GuestIssued, c.GuestExpires = false, 0, 0
}

// LoggedInAt changes when the visitor logged in.
func (v *Visitor) LoggedInAt(t time.Time) { v.claims.AuthTime = t.Unix() }

// Put stores a value as another system would have.
func (v *Visitor) Put(key string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("clienttest: " + err.Error()) // a mistake in the test itself
	}
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	r := v.c.open(v.claims.Session)
	v.claims.Unwritten, v.claims.GuestIssued, v.claims.GuestExpires = false, 0, 0
	r.version++
	r.values[key], r.versions[key] = raw, r.version
}

// Value is the JSON text of a stored value; empty if there is none.
func (v *Visitor) Value(key string) string {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if r := v.c.sessions[v.claims.Session]; r != nil {
		return string(r.values[key])
	}
	return ""
}

// EndElsewhere ends the session as an operator or another service would. The context that the edge gave before is
// good for its life all the same, so requests still come.
func (v *Visitor) EndElsewhere(reason string) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	v.c.open(v.claims.Session).ended = reason
}

// Ended is the reason for which the session was ended; empty while it lives.
func (v *Visitor) Ended() string {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if r := v.c.sessions[v.claims.Session]; r != nil {
		return r.ended
	}
	return ""
}

// Sign puts the visitor's context on a request, as the edge does.
func (v *Visitor) Sign(r *http.Request) *http.Request {
	if token := v.Context(); token != "" {
		r.Header.Set(contextjwt.Header, token)
	}
	return r
}

// Context is what [Visitor.Sign] puts on a request, for services on another transport than net/http.
// Empty for an outsider.
func (v *Visitor) Context() string {
	if v.outside {
		return ""
	}
	v.c.mu.Lock()
	if known := v.c.sessions[v.claims.Session]; known != nil {
		v.claims.Version = known.version
	}
	claims := v.claims
	v.c.mu.Unlock()
	token, err := v.c.signer.Sign(claims)
	if err != nil {
		panic("clienttest: " + err.Error()) // claims that the methods above do not make
	}
	return token
}

// Do sends a request to a handler and takes over what the response says about the session, as the edge
// would. body is a form if it is not empty.
func (v *Visitor) Do(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, v.Sign(r))
	v.Follow(w.Result().Header)
	return w
}

// Follow takes over what the header of a response says about the session, as the edge would.
func (v *Visitor) Follow(h http.Header) {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	switch {
	case h.Get("Crossfade-Session-End") != "":
		c := v.claims
		v.claims = contextjwt.Claims{Audience: c.Audience, System: c.System, Arm: c.Arm, Visitor: c.Visitor}
	case h.Get("Crossfade-Session") == handoffOf(v.claims.Session):
		v.claims.Unwritten, v.claims.GuestIssued, v.claims.GuestExpires = false, 0, 0
	}
}

// open gives the session's record, made if it is new. The lock is held.
func (c *Crossfade) open(id contextjwt.ID) *record {
	r := c.sessions[id]
	if r == nil {
		r = &record{values: map[string]json.RawMessage{}, versions: map[string]uint64{}}
		c.sessions[id] = r
	}
	return r
}

// handoffOf stands for a sealed handoff.
func handoffOf(id contextjwt.ID) string { return "handoff-" + id.String() }
