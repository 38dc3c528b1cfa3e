// Package alone keeps sessions in memory, for a storefront that runs without Crossfade: to look at its
// pages, and to test them.
//
// Invariant: it behaves as the session plane does where a page can notice: values by key with versions,
// all-or-nothing writes, conflicts on guarded keys. Nothing in it survives the process. Package main
// uses it with --alone, the tests of package web always.
package alone

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"crossfade.dev/crossfade/examples/shop/storefront/web"
	"crossfade.dev/crossfade/internal/fault"
)

// Cookie names the session of a browser.
const Cookie = "storefront_alone"

// Sessions are all sessions of one process.
type Sessions struct {
	random io.Reader
	mu     sync.Mutex
	byID   map[string]*Session
}

// New makes an empty set. random draws the session ids.
func New(random io.Reader) *Sessions { return &Sessions{random: random, byID: map[string]*Session{}} }

// Middleware gives every browser a session.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.find(r) == nil {
			var id [16]byte
			if _, err := io.ReadFull(s.random, id[:]); err != nil {
				http.Error(w, "no randomness", http.StatusInternalServerError)
				return
			}
			c := &http.Cookie{Name: Cookie, Value: hex.EncodeToString(id[:]), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
			s.Put(c.Value, &Session{})
			http.SetCookie(w, c)
			r.AddCookie(c)
		}
		next.ServeHTTP(w, r)
	})
}

// Put makes a session the one of this cookie value.
func (s *Sessions) Put(id string, session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = session
}

// Of gives the session of the request's cookie; without one, an empty session that nobody keeps.
func (s *Sessions) Of(r *http.Request) web.Session {
	if found := s.find(r); found != nil {
		return found
	}
	return &Session{}
}

func (s *Sessions) find(r *http.Request) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range r.CookiesNamed(Cookie) {
		if found := s.byID[c.Value]; found != nil {
			return found
		}
	}
	return nil
}

// Session is one session. Its zero value is an empty guest session.
type Session struct {
	User string // the subject; empty for a guest
	Down error  // what reading and writing answer; nil: they work
	// BeforeWrite runs ahead of a write: the place where a test lets another tab be faster.
	BeforeWrite func()

	mu      sync.Mutex
	version uint64
	values  map[string]attribute
}

type attribute struct {
	text    json.RawMessage
	version uint64
}

// Subject is User.
func (s *Session) Subject() string { return s.User }

// Read gives a copy of all values.
func (s *Session) Read(context.Context) (web.Values, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Down != nil {
		return web.Values{}, s.Down
	}
	byKey := make(map[string]json.RawMessage, len(s.values))
	for key, a := range s.values {
		byKey[key] = a.text
	}
	return web.Values{ByKey: byKey, Version: s.version}, nil
}

// Write makes the change, or none of it.
func (s *Session) Write(_ context.Context, change web.Change) error {
	if hook := s.BeforeWrite; hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Down != nil {
		return s.Down
	}
	for _, key := range change.Guard {
		if s.values[key].version > change.Since {
			return &web.Conflict{Err: errors.New(key + " was written after the version that was read")}
		}
	}
	texts := make(map[string]json.RawMessage, len(change.Set))
	for key, v := range change.Set {
		text, err := json.Marshal(v)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "session value %q cannot be written as JSON", key)
		}
		texts[key] = text
	}
	s.apply(texts, change.Delete)
	return nil
}

func (s *Session) apply(set map[string]json.RawMessage, remove []string) {
	s.version++
	if s.values == nil {
		s.values = map[string]attribute{}
	}
	for key, text := range set {
		s.values[key] = attribute{text, s.version}
	}
	for _, key := range remove {
		delete(s.values, key)
	}
}
