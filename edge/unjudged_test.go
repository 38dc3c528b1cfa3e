package edge_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/session"
)

// TestEdge_Unjudged: where of several values of one name nobody can say which is live, none is taken for
// dead.
func TestEdge_Unjudged(t *testing.T) {
	const gone = "dead000000000000000000000000dead"
	twin := func(key string) []string {
		return []string{"Cookie", "sessionid=" + gone + "; theme=dark; sessionid=" + key}
	}
	untouched := func(t *testing.T, a answer) {
		t.Helper()
		for _, line := range a.Response.Header["Set-Cookie"] {
			if !strings.HasPrefix(line, cookieVisitor) {
				t.Errorf("writes %q", line)
			}
		}
	}
	for name, prepare := range map[string]func(*site){
		"before it starts": func(*site) {},
		"on new":           func(s *site) { s.start() },
		"under kill":       func(s *site) { s.start(); s.kill() },
	} {
		t.Run("two legacy cookies with the bridge down go to legacy as they came, "+name, func(t *testing.T) {
			s := open(t)
			key := s.legacy.add("ann", session.VisitorID{})
			prepare(s)
			s.legacy.bridgeDown = true
			b := s.browser()
			a := b.nav("/", twin(key)...)
			a.served(t, "django", "ann")
			untouched(t, a)
			b.post("/mono/?set=1", twin(key)...).served(t, "django", "ann")
			s.legacy.bridgeDown = false
			b.nav("/mono/", twin(key)...).served(t, "django", "ann")
		})
	}
	t.Run("an internal tool judges several, and passes them on where it can't", func(t *testing.T) {
		s := open(t)
		key := s.legacy.add("ann", session.VisitorID{})
		b := s.browser()
		b.nav("/admin/", twin(key)...).served(t, "django", "ann")
		s.legacy.bridgeDown = true
		a := s.browser().nav("/admin/", twin(key)...)
		a.served(t, "django", "ann")
		untouched(t, a)
	})
	t.Run("of two tokens with the store down, the ticket's serves and no cookie is touched", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/").served(t, "shop", "ann")
		s.storeDown()
		other := s.browser()
		cookies := cookieSession + "=cf1_forged; " + cookieSession + "=" + b.cookies[cookieSession] +
			"; " + cookieVisitor + "=" + b.cookies[cookieVisitor] + "; " + cookieTicket + "=" + b.cookies[cookieTicket]
		a := other.nav("/", "Cookie", cookies)
		a.served(t, "django", "ann")
		untouched(t, a)
	})
	t.Run("a value that nobody here has read is not legacy's to read", func(t *testing.T) {
		s := open(t)
		s.legacy.bridgeDown = true
		a := s.browser().nav("/", "Cookie", `sessionid=a; sessionid="\115oved"; sessionid=b; sessionid="c d"`)
		if got := a.who.Cookies; got != "sessionid=a; sessionid=b" {
			t.Errorf("legacy got %q", got)
		}
	})
	for _, others := range []string{"", "sessionid=" + gone + "; "} {
		t.Run("a session that ended on new is served by nobody while legacy cannot be told, beside "+others, func(t *testing.T) {
			s := open(t)
			b := s.browser()
			b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
			s.start()
			b.nav("/").served(t, "shop", "ann")
			lineage := s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.Lineage
			s.kill()
			b.nav("/").served(t, "django", "ann")
			key := b.cookies[cookieLegacy]
			delete(b.cookies, cookieLegacy)
			s.lift()
			s.legacy.bridgeDown = true
			s.end(t, session.End{Lineage: lineage})
			for _, a := range []answer{
				b.nav("/", "Cookie", others+"sessionid="+key), b.fetch("/mono/", "Cookie", others+"sessionid="+key),
				b.nav("/account/", "Cookie", others+"sessionid="+key),
			} {
				if a.Subject != "" || strings.Contains(a.who.Cookies, key) {
					t.Errorf("%d: %q is served, legacy got %q", a.StatusCode, a.Subject, a.who.Cookies)
				}
				untouched(t, a)
			}
		})
	}
	t.Run("what came is not judged by its spelling: odd ones are still taken out", func(t *testing.T) {
		s := open(t)
		key := s.legacy.add("ann", session.VisitorID{})
		s.legacy.bridgeDown = true
		a := s.browser().nav("/", "Cookie", "sess%69onid=x; sessionid="+gone+"; =sessionid=y; sessionid="+key+"; cf_session=z")
		if got := a.who.Cookies; got != "sessionid="+gone+"; sessionid="+key {
			t.Errorf("legacy got %q", got)
		}
	})
}
