package edge_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// endless is a session plane that can end nothing.
type endless struct{ edge.Sessions }

func (endless) End(context.Context, session.End) (session.Ended, error) {
	return session.Ended{}, errDown
}

// TestCounts causes what is counted by name, once each: an alert that rests on a counter which never moves
// is worse than none.
func TestCounts(t *testing.T) {
	const planted = "/mono/?header=Set-Cookie&header="
	foreign := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}
	for _, c := range []struct {
		count edge.Count
		what  string
		cause func(t *testing.T, s *site, ann *browser)
	}{
		{edge.CountCrossSite, "a form of another site", func(_ *testing.T, _ *site, ann *browser) { ann.do("POST", "/", foreign...) }},
		{edge.CountCrossSite, "a handshake of another site", func(_ *testing.T, _ *site, ann *browser) {
			ann.do("GET", "/_crossfade/handshake", foreign...)
		}},
		{edge.CountLegacyCookie, "legacy gives a session to a visitor on new", func(_ *testing.T, s *site, ann *browser) {
			ann.post("/callback?login=bob&raw")
		}},
		{edge.CountConflict, "legacy gives a session that cannot be taken over", func(_ *testing.T, _ *site, ann *browser) {
			ann.nav(planted + url.QueryEscape("sessionid=unheard-of"))
		}},
		{edge.CountConflict, "another browser's login beside a token", func(_ *testing.T, s *site, ann *browser) {
			ann.cookies[cookieLegacy] = s.legacy.add("mallory", session.VisitorID{9})
			ann.nav("/")
		}},
		{edge.CountEndFailed, "a login that was superseded cannot be ended", func(_ *testing.T, s *site, ann *browser) {
			s.wrap = func(inner edge.Sessions) edge.Sessions { return endless{inner} }
			s.build()
			ann.post("/callback?login=bob&raw")
		}},
		{edge.CountTools, "a tool is opened", func(_ *testing.T, _ *site, ann *browser) { ann.nav("/admin/"); ann.nav("/admin/") }},
		{edge.CountDenied, "the ticket of a session that legacy has not heard the end of", func(t *testing.T, s *site, ann *browser) {
			id := s.sessions.Resolve(t.Context(), ann.cookies[cookieSession]).Session.ID
			must(s.sessions.End(t.Context(), session.End{ID: id, Reason: "logout"}))
			ann.nav("/")
		}},
		{edge.CountUntrusted, "a session cookie without a name", func(_ *testing.T, _ *site, ann *browser) {
			ann.nav(planted + url.QueryEscape("=sessionid=planted"))
		}},
		{edge.CountHost, "another site's name", func(_ *testing.T, s *site, _ *browser) { under(s, "evil.test", "/") }},
	} {
		t.Run(fmt.Sprintf("%s: %s", c.count, c.what), func(t *testing.T) {
			s := open(t)
			s.start()
			ann := member(s)
			before := s.observer.count(c.count)
			c.cause(t, s, ann)
			if n := s.observer.count(c.count) - before; n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
	t.Run("stream_closed: a stream whose session ended", func(t *testing.T) {
		s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		b := member(s)
		res, err := client(front, false).Do(b.request(t, "GET", front.URL+"/events", strings.NewReader("")))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		id := s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.ID
		must(s.sessions.End(t.Context(), session.End{ID: id, Reason: "logout"}))
		s.edge.LookAtStreams()
		if n := s.observer.count(edge.CountStreamClosed); n != 1 {
			t.Errorf("counted %d times", n)
		}
	})
}
