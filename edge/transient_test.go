package edge_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// keeps says how long the response has the browser keep a cookie: "until closed", "for a time", or "" if it
// is not set.
func (a answer) keeps(name string) (how string) {
	for _, line := range a.Response.Header["Set-Cookie"] {
		switch {
		case !strings.HasPrefix(line, name+"="), strings.Contains(line, "Max-Age=0"):
		case strings.Contains(line, "Max-Age=") || strings.Contains(line, "Expires="):
			how = "for a time"
		default:
			how = "until closed"
		}
	}
	return how
}

// expectKept fails unless the response sets each of these cookies to be kept that long.
func expectKept(t *testing.T, a answer, how string, names ...string) {
	t.Helper()
	for _, name := range names {
		if got := a.keeps(name); got != how {
			t.Errorf("%s is kept %q, want %q: %q", name, got, how, a.Response.Header["Set-Cookie"])
		}
	}
}

// closed is the browser after it was closed: what had no expiry is gone.
func (b *browser) closed() *browser {
	after := b.clone()
	delete(after.cookies, cookieSession)
	delete(after.cookies, cookieTicket)
	delete(after.cookies, cookieLegacy)
	return after
}

func TestEdge_UntilTheBrowserIsClosed(t *testing.T) {
	// arrive is a browser with a legacy login, on a site that has just started to treat everybody.
	arrive := func(t *testing.T, closing bool) (*site, *browser) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.legacy.rows[b.cookies[cookieLegacy]].closing = closing
		s.start()
		return s, b
	}
	t.Run("a legacy login that was to last so lasts so on new, and back, and again", func(t *testing.T) {
		s, b := arrive(t, true)
		there := b.nav("/")
		there.served(t, "shop", "ann")
		expectKept(t, there, "until closed", cookieSession, cookieTicket)
		expectKept(t, there, "for a time", cookieVisitor)
		s.kill()
		back := b.nav("/")
		back.served(t, "django", "ann")
		expectKept(t, back, "until closed", cookieLegacy)
		s.lift()
		again := b.nav("/")
		again.served(t, "shop", "ann")
		expectKept(t, again, "until closed", cookieSession, cookieTicket)
	})
	t.Run("also back by the ticket, with no session store", func(t *testing.T) {
		s, b := arrive(t, true)
		b.nav("/")
		s.storeDown()
		s.kill()
		back := b.nav("/")
		back.served(t, "django", "ann")
		if got := back.keeps(cookieLegacy); got == "for a time" {
			t.Errorf("the legacy cookie is kept %q", got)
		}
	})
	t.Run("one that was not does not", func(t *testing.T) {
		s, b := arrive(t, false)
		expectKept(t, b.nav("/"), "for a time", cookieSession, cookieTicket)
		s.kill()
		expectKept(t, b.nav("/"), "for a time", cookieLegacy)
	})
	t.Run("a login on new says which it is", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		expectKept(t, b.post("/mono/?login=ann&forget"), "until closed", cookieSession, cookieTicket)
		expectKept(t, b.post("/mono/?login=ann"), "for a time", cookieSession, cookieTicket)
	})
	t.Run("the tools session that is made of it", func(t *testing.T) {
		for closing, how := range map[bool]string{true: "until closed", false: "for a time"} {
			_, b := arrive(t, closing)
			b.nav("/")
			expectKept(t, b.nav("/admin/"), how, cookieTools)
		}
	})
	t.Run("a browser that was closed has lost no login", func(t *testing.T) {
		for closing, lost := range map[bool]int{true: 0, false: 1} {
			s, b := arrive(t, closing)
			b.nav("/")
			b.closed().nav("/").served(t, "shop", "")
			if n := s.observer.count(edge.CountLostLogin); n != lost {
				t.Errorf("closing %v: %d lost logins counted, want %d", closing, n, lost)
			}
		}
	})
	t.Run("a token that came and is worth nothing has lost one all the same", func(t *testing.T) {
		s, b := arrive(t, true)
		b.nav("/")
		b.cookies[cookieSession] = session.Token{ID: session.ID{1}}.String()
		delete(b.cookies, cookieTicket)
		b.nav("/")
		if n := s.observer.count(edge.CountLostLogin); n != 1 {
			t.Errorf("%d lost logins counted", n)
		}
	})
}
