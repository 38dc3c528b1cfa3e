package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// browserHeaders are what a browser says when somebody follows a link, cookies apart.
var browserHeaders = [][2]string{
	{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
	{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{"Accept-Language", "en-US,en;q=0.5"},
	{"Accept-Encoding", "gzip, deflate, br, zstd"},
	{"Referer", "http://localhost/shops/"},
	{"Upgrade-Insecure-Requests", "1"},
	{"Sec-Fetch-Dest", "document"},
	{"Sec-Fetch-Mode", "navigate"},
	{"Sec-Fetch-Site", "same-origin"},
	{"Sec-Fetch-User", "?1"},
	{"Priority", "u=0, i"},
}

const path = "/stores/riverside"

// jar is what a browser keeps, by name, beside two cookies of the site's own.
type jar map[string]string

// header is the Cookie header. Crossfade's stand between the site's, as they come.
func (j jar) header() string {
	pairs := []string{"theme=dark"}
	for _, name := range []string{legacyCookie, "cf_session", "cf_visitor", "cf_ticket"} {
		if value, ok := j[name]; ok {
			pairs = append(pairs, name+"="+value)
		}
	}
	return strings.Join(append(pairs, "lang=en"), "; ")
}

// wire is the request as the load generator sends it: a page, so an entry request, the dearest kind.
func (j jar) wire() string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, host)
	for _, h := range browserHeaders {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	fmt.Fprintf(&b, "Cookie: %s\r\n\r\n", j.header())
	return b.String()
}

func (j jar) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+path, nil)
	for _, h := range browserHeaders {
		r.Header.Set(h[0], h[1])
	}
	r.Header.Set("Cookie", j.header())
	return r
}

// visit sends one page through the edge, keeps the cookies, and answers the system that served it, "n" or
// "l", and whether that changed what the browser keeps.
func (s *site) visit(j jar) (system string, changed bool, err error) {
	w := httptest.NewRecorder()
	s.edge.ServeHTTP(w, j.request())
	if w.Code != http.StatusOK {
		return "", false, fmt.Errorf("the edge answered %d to a visitor who is being prepared", w.Code)
	}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
			changed = true
			continue
		}
		changed = changed || j[c.Name] != c.Value
		j[c.Name] = c.Value
	}
	_, system, _ = strings.Cut(w.Header().Get("Crossfade-Epoch"), ".")
	return system, changed, nil
}

// settle visits until the edge has nothing more to tell the browser, as after the first pages of a visit.
func (s *site) settle(j jar, system string) error {
	for range 4 {
		got, changed, err := s.visit(j)
		switch {
		case err != nil:
			return err
		case got != system:
			return fmt.Errorf("a visitor is served by %q and should be by %q", got, system)
		case !changed:
			return nil
		}
	}
	return fmt.Errorf("the edge goes on changing cookies")
}

// customers are logged in on new, with a cart, a counterpart on legacy and the ticket to it: the most that a
// visitor can carry.
func (s *site) customers(n int) ([]string, error) {
	var out []string
	for len(out) < n {
		var id session.VisitorID
		if _, err := rand.Read(id[:]); err != nil {
			return nil, err
		}
		if rollout.Decide(rollout.Visitor{ID: id.String()}, s.snapshot.Load()).System != rollout.New {
			continue
		}
		issued, err := s.sessions.Upgrade(context.Background(), session.Upgrade{
			Visitor: id, Subject: fmt.Sprintf("customer-%d", len(out)), AuthTime: time.Now(), Methods: []string{"pwd"},
			Born: s.sessions.CurrentMark(), Set: map[string]json.RawMessage{"cart": json.RawMessage(`{"12":1,"31":2}`)},
			LegacyKey: fmt.Sprintf("counterpart%021d", len(out)), LegacyExpires: time.Now().Add(14 * 24 * time.Hour),
		})
		if err != nil {
			return nil, err
		}
		j := jar{"cf_session": issued.Token}
		if err := s.settle(j, "n"); err != nil {
			return nil, err
		}
		if j["cf_ticket"] == "" || j["cf_visitor"] == "" {
			return nil, fmt.Errorf("a customer got no ticket or no visitor cookie")
		}
		out = append(out, j.wire())
	}
	return out, nil
}

// onLegacy are visitors whom the rollout leaves on legacy, each with a legacy session.
func (s *site) onLegacy(n int) ([]string, error) {
	var out []string
	for len(out) < n {
		j := jar{}
		system, _, err := s.visit(j)
		if err != nil {
			return nil, err
		}
		if system != "l" {
			continue
		}
		j[legacyCookie] = fmt.Sprintf("session%025d", len(out))
		if err := s.settle(j, "l"); err != nil {
			return nil, err
		}
		out = append(out, j.wire())
	}
	return out, nil
}
