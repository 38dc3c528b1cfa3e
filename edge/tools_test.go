package edge_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// staffed is a site that everybody was moved to new on, with a member of staff in the admin, whose tools session
// was made by restore.
func staffed(t *testing.T) (*site, *browser) {
	t.Helper()
	s := open(t)
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	s.start()
	b.nav("/").served(t, "shop", "ann")
	b.nav("/admin/").served(t, "django", "ann")
	return s, b
}

// atDesk is a member of staff who logged in to the admin itself and is nobody in the shop.
func atDesk(t *testing.T, s *site) *browser {
	t.Helper()
	b := s.browser()
	b.post("/admin/?login=root").served(t, "django", "root")
	return b
}

func (s *site) end(t *testing.T, what session.End) {
	t.Helper()
	what.Reason = "test"
	if _, err := s.sessions.End(t.Context(), what); err != nil {
		t.Fatal(err)
	}
}

// loggedOut fails unless the tool was reached as nobody, and the browser forgot its tools session.
func (b *browser) loggedOut(t *testing.T, a answer) {
	t.Helper()
	a.served(t, "django", "")
	if a.Key != "" || b.has(cookieTools) {
		t.Errorf("legacy was given %q; the cookie is still there: %v", a.Key, b.has(cookieTools))
	}
}

// reset is a tool that sets a session cookie of its own.
func reset(line string) string {
	return "/admin/?header=Set-Cookie&header=" + url.QueryEscape(line)
}

func (s *site) inspections() (n int) {
	for _, call := range s.legacy.calls {
		if call == "inspect" {
			n++
		}
	}
	return n
}

// endedElsewhere answers for a shared store whose watch is lost.
type endedElsewhere struct {
	edge.Sessions
	void bool
	err  error
}

func (e endedElsewhere) Revoked(context.Context, session.Lineage, string, session.Mark) (bool, error) {
	return e.void, e.err
}

// Legacy still has the row in all of these: nothing has told it that the session ended.
func TestEdge_ToolsEnd(t *testing.T) {
	lineageOf := func(s *site, b *browser) session.Lineage {
		return s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.Lineage
	}
	for name, end := range map[string]func(*site, *browser) session.End{
		"the subject": func(*site, *browser) session.End { return session.End{Subject: "ann"} },
		"everybody":   func(*site, *browser) session.End { return session.End{Everybody: true} },
		"the lineage": func(s *site, b *browser) session.End { return session.End{Lineage: lineageOf(s, b)} },
	} {
		t.Run(name+": with the bridge down the tool is logged out at once", func(t *testing.T) {
			s, b := staffed(t)
			what := end(s, b)
			s.legacy.bridgeDown = true
			s.end(t, what)
			thief := b.clone()
			b.loggedOut(t, b.nav("/admin/"))
			b.loggedOut(t, b.nav("/admin/"))
			delete(thief.cookies, cookieSession)
			thief.loggedOut(t, thief.fetch("/admin/"))
		})
		t.Run(name+": with the bridge up as well, though legacy has not heard of it", func(t *testing.T) {
			s, b := staffed(t)
			s.end(t, end(s, b))
			b.loggedOut(t, b.nav("/admin/"))
		})
		t.Run(name+": under the kill switch, without the store", func(t *testing.T) {
			s, b := staffed(t)
			s.kill()
			s.end(t, end(s, b))
			s.store.down.Store(true)
			s.legacy.bridgeDown = true
			calls := s.store.calls.Load()
			delete(b.cookies, cookieSession)
			b.loggedOut(t, b.nav("/admin/"))
			if s.store.calls.Load() != calls {
				t.Error("the store was asked")
			}
		})
	}
	t.Run("by another process, of which memory has not heard: with the bridge down it is logged out", func(t *testing.T) {
		s, b := staffed(t)
		s.legacy.bridgeDown = true
		s.wrap = func(inner edge.Sessions) edge.Sessions { return endedElsewhere{inner, true, nil} }
		s.build()
		delete(b.cookies, cookieSession)
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("nobody can say whether another process ended it: staff get at their tool", func(t *testing.T) {
		s, b := staffed(t)
		s.wrap = func(inner edge.Sessions) edge.Sessions { return endedElsewhere{inner, true, errors.New("no answer")} }
		s.build()
		b.nav("/admin/").served(t, "django", "ann")
	})
	t.Run("somebody else: nothing", func(t *testing.T) {
		s, b := staffed(t)
		s.legacy.bridgeDown = true
		s.end(t, session.End{Subject: "bob"})
		b.nav("/admin/").served(t, "django", "ann")
	})
	t.Run("a login of the tool itself ends with its subject, and a later one is not touched", func(t *testing.T) {
		s := open(t)
		s.start()
		b := atDesk(t, s)
		s.legacy.bridgeDown = true
		b.nav("/admin/").served(t, "django", "root")
		s.end(t, session.End{Subject: "root"})
		b.loggedOut(t, b.nav("/admin/"))
		s.legacy.bridgeDown = false
		b = atDesk(t, s)
		s.legacy.bridgeDown = true
		b.nav("/admin/").served(t, "django", "root")
	})
	t.Run("a response under way writes no cookie for another site's form", func(t *testing.T) {
		s, b := staffed(t)
		s.end(t, session.End{Subject: "ann"})
		a := b.do("POST", "/admin/", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		a.served(t, "django", "")
		if !b.has(cookieTools) {
			t.Error("another site deleted the cookie")
		}
	})
}

func TestEdge_ToolsGoOn(t *testing.T) {
	t.Run("all but the current: a tools session of the same lineage is made anew", func(t *testing.T) {
		for _, down := range []bool{false, true} {
			s, b := staffed(t)
			id := s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.ID
			before, copied := b.cookies[cookieTools], b.clone()
			delete(copied.cookies, cookieSession)
			s.end(t, session.End{Subject: "ann", Except: id})
			if s.legacy.bridgeDown = down; down {
				b.loggedOut(t, b.nav("/admin/"))
				s.legacy.bridgeDown = false
			}
			b.nav("/admin/").served(t, "django", "ann")
			if b.cookies[cookieTools] == before {
				t.Error("the old one is still there")
			}
			copied.loggedOut(t, copied.nav("/admin/"))
			b.nav("/").served(t, "shop", "ann")
		}
	})
	t.Run("a session that legacy has born again, as after a new password in the tool, serves on", func(t *testing.T) {
		s := open(t)
		s.start()
		b := atDesk(t, s)
		key := b.nav("/admin/").Key
		s.end(t, session.End{Subject: "root"})
		s.legacy.rows[key].born = s.sessions.CurrentMark()
		b.nav("/admin/").served(t, "django", "root")
		asked := s.inspections()
		b.nav("/admin/").served(t, "django", "root")
		if s.inspections() != asked {
			t.Error("legacy is asked again and again")
		}
	})
	t.Run("a tool that cycles its key on login", func(t *testing.T) {
		s, b := staffed(t)
		b.post("/admin/?login=root").served(t, "django", "root")
		b.nav("/admin/").served(t, "django", "root")
		s.end(t, session.End{Subject: "root"})
		s.legacy.bridgeDown = true
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("a tool that sets its key again with every response costs no question", func(t *testing.T) {
		s := open(t)
		s.start()
		b := atDesk(t, s)
		key, asked := b.nav("/admin/").Key, s.inspections()
		b.nav(reset("sessionid="+key+"; Max-Age=60; Path=/")).served(t, "django", "root")
		b.nav("/admin/").served(t, "django", "root")
		if s.inspections() != asked {
			t.Error("legacy was asked")
		}
		s.pass(time.Minute)
		b.loggedOut(t, b.nav("/admin/")) // the life is the last one that the tool gave it
	})
	t.Run("a life beyond all bounds is a long one", func(t *testing.T) {
		s := open(t)
		s.start()
		key := s.legacy.add("root", session.VisitorID{})
		for _, life := range []string{"Expires=Fri, 31 Dec 9999 23:59:59 GMT", "Max-Age=99999999999999"} {
			b := s.browser()
			b.nav(reset("sessionid=" + key + "; Path=/; " + life))
			b.nav("/admin/").served(t, "django", "root")
		}
	})
	t.Run("a guest's session of the tool that gets an owner under the same key", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		key := s.legacy.add("", session.VisitorID{})
		b.nav(reset("sessionid=" + key + "; Path=/"))
		b.nav("/admin/").served(t, "django", "")
		row := s.legacy.rows[key]
		row.kind, row.subject, row.born = session.Authenticated, "root", s.sessions.CurrentMark()
		b.nav(reset("sessionid="+key+"; Path=/")).served(t, "django", "root")
		s.end(t, session.End{Subject: "root"})
		s.legacy.bridgeDown = true
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("killed, lifted and finished, staff are served by the same session", func(t *testing.T) {
		s, b := staffed(t)
		key := b.nav("/admin/").Key
		s.kill()
		if a := b.nav("/admin/"); a.Key != key || a.Subject != "ann" {
			t.Errorf("killed: %q as %q", a.Key, a.Subject)
		}
		b.nav("/").served(t, "django", "ann")
		s.lift()
		if a := b.nav("/admin/"); a.Key != key || a.Subject != "ann" {
			t.Errorf("lifted: %q as %q", a.Key, a.Subject)
		}
	})
}

func TestEdge_ToolsUnknown(t *testing.T) {
	// unasked is somebody who logged in to the tool while legacy could not be asked whose session that is.
	unasked := func(t *testing.T) (*site, *browser) {
		s := open(t)
		s.start()
		s.legacy.bridgeDown = true
		b := atDesk(t, s)
		b.nav("/admin/").served(t, "django", "root")
		return s, b
	}
	t.Run("the end of everybody ends it at once", func(t *testing.T) {
		s, b := unasked(t)
		s.end(t, session.End{Everybody: true})
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("the end of its subject holds as soon as legacy answers", func(t *testing.T) {
		s, b := unasked(t)
		s.end(t, session.End{Subject: "root"})
		s.legacy.bridgeDown = false
		s.pass(2 * time.Second)
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("legacy is asked once it answers, and then no more", func(t *testing.T) {
		s, b := unasked(t)
		asked := s.inspections()
		b.nav("/admin/").served(t, "django", "root")
		if s.inspections() != asked {
			t.Error("every page waits for a bridge that does not answer")
		}
		s.legacy.bridgeDown = false
		s.pass(2 * time.Second)
		before := b.cookies[cookieTools]
		b.nav("/admin/").served(t, "django", "root")
		if b.cookies[cookieTools] == before {
			t.Error("the answer was not kept")
		}
		s.legacy.bridgeDown = true
		s.end(t, session.End{Subject: "root"})
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("one that legacy does not know is forgotten", func(t *testing.T) {
		s, b := unasked(t)
		clear(s.legacy.rows)
		s.legacy.bridgeDown = false
		s.pass(2 * time.Second)
		b.loggedOut(t, b.nav("/admin/"))
	})
	t.Run("a cookie until the browser is closed stays one", func(t *testing.T) {
		s, b := unasked(t)
		key := b.nav("/admin/").Key
		b.nav(reset("sessionid=" + key + "; Path=/"))
		s.legacy.bridgeDown = false
		s.pass(2 * time.Second)
		a := b.nav("/admin/")
		at := slices.IndexFunc(a.Response.Cookies(), func(c *http.Cookie) bool { return c.Name == cookieTools })
		if at < 0 || a.Response.Cookies()[at].MaxAge != 0 || !a.Response.Cookies()[at].Expires.IsZero() {
			t.Errorf("set as %q", a.Response.Header["Set-Cookie"])
		}
	})
	t.Run("a subject too long for the cookie is asked about each time", func(t *testing.T) {
		s := open(t)
		s.start()
		b, long := s.browser(), strings.Repeat("x", 100)
		b.post("/admin/?login=" + long)
		b.nav("/admin/").served(t, "django", long)
		s.end(t, session.End{Subject: long})
		b.loggedOut(t, b.nav("/admin/"))
	})
}

func TestEdge_ToolsCookie(t *testing.T) {
	s, b := staffed(t)
	good := b.cookies[cookieTools]
	key := b.nav("/admin/").Key
	if strings.Contains(good, key) {
		t.Error("the legacy key can be read in the cookie")
	}
	bad := []byte(good)
	bad[len(bad)/2] = map[bool]byte{true: 'B', false: 'A'}[bad[len(bad)/2] == 'A']
	for name, value := range map[string]string{
		"a legacy key as it is": key, "altered": string(bad), "cut": good[:len(good)-1], "with more behind it": good + "A",
		"a ticket": b.cookies[cookieTicket], "a visitor cookie": b.cookies[cookieVisitor], "nothing that we know": "x",
	} {
		t.Run(name+" opens nothing", func(t *testing.T) {
			other := s.browser()
			other.cookies[cookieTools] = value
			counted := s.observer.count(edge.CountBadCookie)
			other.loggedOut(t, other.nav("/admin/"))
			if s.observer.count(edge.CountBadCookie) == counted {
				t.Error("not counted")
			}
		})
	}
	t.Run("of two only one that is good counts", func(t *testing.T) {
		other := s.browser()
		other.nav("/admin/", "Cookie", cookieTools+"=x; "+cookieTools+"="+good).served(t, "django", "ann")
	})
	t.Run("a key that fits into no cookie is refused, and the log says so", func(t *testing.T) {
		for _, key := range []string{strings.Repeat("k", 117), "a,b"} {
			other := s.browser()
			a := other.nav(reset("sessionid=" + key + "; Path=/"))
			if other.has(cookieTools) || other.has(cookieLegacy) || !strings.Contains(s.log.String(), "fits into no cookie") {
				t.Errorf("%q: set %q", key, a.Response.Header["Set-Cookie"])
			}
		}
	})
}
