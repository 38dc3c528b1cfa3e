// Package alone keeps sessions in memory, for a storefront that runs without Crossfade: to look at its
// pages, and to test them.
//
// Invariant: it behaves as the client library does where a page can notice: values by key, all-or-nothing
// writes, conflicts on keys that must be unchanged. Nothing in it survives the process. Package main
// uses it with --alone, the tests of package web always.
package alone

import (
	"encoding/hex"
	"io"
	"net/http"
	"sync"

	"crossfade.dev/crossfade/examples/shop/storefront/web"
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
		return &view{Session: found}
	}
	return &view{Session: &Session{}}
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
