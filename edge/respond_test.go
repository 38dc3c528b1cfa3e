package edge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/session"
)

func TestEdge_Sessions(t *testing.T) {
	t.Run("a login on new reaches the browser, with a ticket", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/?set=4")
		b.post("/mono/?login=ann").served(t, "django", "ann")
		b.holds(t, "token", "ticket")
		a := b.nav("/")
		a.served(t, "shop", "ann")
		if a.Data["cart"] != "4" {
			t.Errorf("the cart is %s", a.Data["cart"])
		}
		s.storeDown()
		s.kill()
		b.nav("/").served(t, "django", "ann")
	})
	t.Run("a logout ends it in the browser and for good", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		copied := b.clone()
		b.post("/mono/?logout")
		b.holds(t)
		b.nav("/").served(t, "shop", "")
		copied.nav("/").served(t, "shop", "")
		if n := s.observer.count(edge.CountLostLogin); n != 0 {
			t.Errorf("%d lost logins", n)
		}
	})
	t.Run("a login in one tab while the other's request is in flight", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/?set=4")
		slow := b.clone()
		b.post("/mono/?login=ann")
		a := slow.fetch("/")
		a.served(t, "shop", "")
		if !a.Claims.ReadOnly {
			t.Errorf("claims %+v", a.Claims)
		}
		slow.fetch("/mono/?set=9&raw")
		slow.nav("/mono/")
		if slow.cookies[cookieSession] == b.cookies[cookieSession] {
			t.Error("the old secret got the new one")
		}
		for _, res := range []answer{slow.fetch("/"), slow.nav("/")} {
			for _, line := range res.Response.Header["Set-Cookie"] {
				if strings.HasPrefix(line, cookieSession) {
					t.Errorf("overwrites the winner's: %q", line)
				}
			}
		}
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a handoff of another request is not honoured", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		victim := s.browser()
		victim.nav("/")
		before := victim.cookies[cookieSession]
		stolen := handoff.Seal(s.ring, handoff.Handoff{From: session.ID{9}, Token: "cf1_x", Lineage: session.Lineage{1}, Subject: "ann", Expires: s.clock.Now().Add(time.Hour)}, s.clock.Now())
		for _, text := range []string{stolen, "garbage", ""} {
			victim.fetch("/?header=Crossfade-Session&header=" + text)
		}
		if victim.cookies[cookieSession] != before || s.observer.count(edge.CountBadHandoff) != 2 {
			t.Errorf("counted %d", s.observer.count(edge.CountBadHandoff))
		}
	})
	t.Run("a lost visitor cookie is replaced by the session's visitor id", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		id := b.nav("/").Claims.Visitor
		delete(b.cookies, cookieVisitor)
		if a := b.nav("/"); a.Claims.Visitor != id || !b.has(cookieVisitor) {
			t.Errorf("visitor %v, was %v", a.Claims.Visitor, id)
		}
		fresh := s.browser()
		fresh.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{7})
		if a := fresh.nav("/"); session.VisitorID(a.Claims.Visitor) != (session.VisitorID{7}) {
			t.Errorf("visitor %v", a.Claims.Visitor)
		}
	})
	t.Run("a forged visitor cookie is worth nothing", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.cookies[cookieVisitor] = edge.SampleVisitor(s.ring)[:60] + strings.Repeat("A", 60)
		b.nav("/").served(t, "shop", "")
		if s.observer.count(edge.CountBadCookie) == 0 {
			t.Error("not counted")
		}
	})
}

func TestEdge_LegacyCookies(t *testing.T) {
	t.Run("a legacy login without the client package is taken over in the same response", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/?set=4")
		b.post("/mono/?login=ann&raw")
		b.holds(t, "token", "ticket")
		a := b.nav("/")
		a.served(t, "shop", "ann")
		if a.Data["cart"] != "4" {
			t.Errorf("the cart is %s", a.Data["cart"])
		}
	})
	t.Run("also over somebody else's session", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		b.post("/mono/?login=bob&raw")
		b.nav("/").served(t, "shop", "bob")
	})
	t.Run("if it cannot be, that login stays and the token goes", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/?set=4")
		s.legacy.bridgeDown = true
		b.post("/mono/?login=ann&raw")
		b.holds(t, "legacy")
		b.fetch("/").served(t, "django", "ann")
		s.legacy.bridgeDown = false
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("an anonymous legacy session never displaces a login", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		key := s.legacy.add("", session.VisitorID{})
		b.fetch("/mono/?header=Set-Cookie&header=sessionid%3D" + key + "%3B+Path%3D/")
		b.holds(t, "token", "ticket")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a legacy login under legacy drops a token that the browser still carries", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/?set=4")
		s.storeDown()
		s.kill()
		b.nav("/").served(t, "django", "") // nobody can tell what the token is worth; it stays
		b.holds(t, "token")
		b.post("/?login=ann").served(t, "django", "ann")
		b.holds(t, "legacy")
	})
	t.Run("the CSRF cookie is none of our business", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/?csrf")
		s.start()
		b.nav("/")
		a := b.post("/mono/")
		if !strings.Contains(a.who.Cookies, "csrftoken=token-of-the-form") {
			t.Errorf("cookies are %q", a.who.Cookies)
		}
		s.kill()
		b.nav("/")
		if b.cookies["csrftoken"] != "token-of-the-form" {
			t.Error("the CSRF cookie is gone")
		}
	})
	t.Run("only legacy is ever sent a legacy key, and nobody the token", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		key := s.legacy.add("ann", session.VisitorID{})
		b.cookies[cookieLegacy], b.cookies["theme"] = key, "dark"
		a := b.nav("/stranger/")
		if strings.Contains(a.who.Cookies, key) || !strings.Contains(a.who.Cookies, "theme=dark") {
			t.Errorf("cookies are %q", a.who.Cookies)
		}
		s.start()
		for _, path := range []string{"/", "/mono/", "/stranger/"} {
			if a := b.nav(path); strings.Contains(a.who.Cookies, "cf_") || strings.Contains(a.who.Cookies, "sessionid") {
				t.Errorf("%s: cookies are %q", path, a.who.Cookies)
			}
		}
	})
}

func TestEdge_Context(t *testing.T) {
	s := open(t)
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	a := b.nav("/")
	if c := a.Claims; c.System != "legacy" || !c.Session.IsZero() || c.Return.String() != strings.Repeat("f", 32) || c.Visitor.IsZero() || c.Arm != "none" {
		t.Errorf("before a rollout: %+v", c)
	}
	visitor := a.Claims.Visitor
	s.start()
	a = b.nav("/")
	if c := a.Claims; c.System != "new" || c.Arm != "new" || c.Subject != "ann" || c.Kind != "authenticated" || c.Epoch != 1 || c.Visitor != visitor || c.Audience != "shop" {
		t.Errorf("on new: %+v", c)
	}
	if a.who.Header.Get("Crossfade-Visitor") != visitor.String() {
		t.Errorf("visitor header %q", a.who.Header.Get("Crossfade-Visitor"))
	}
	if c := b.nav("/mono/").Claims; c.Audience != "django" {
		t.Errorf("for legacy: %+v", c)
	}
	fresh := s.browser()
	if c := fresh.nav("/").Claims; !c.Unwritten || c.GuestExpires == 0 || c.Subject != "" {
		t.Errorf("a new guest: %+v", c)
	}
	s.kill()
	if c := b.nav("/").Claims; c.System != "legacy" || !c.Session.IsZero() || c.Visitor != visitor || c.Epoch != 1 {
		t.Errorf("after a kill: %+v", c)
	}
	t.Run("a key without a successor may return", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		s.legacy.bridgeDown = true
		if c := b.nav("/").Claims; c.Return != free {
			t.Errorf("ret is %v", c.Return)
		}
	})
	t.Run("a key whose successor was not presented yet returns with its lineage", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		lost := b.send("GET", "/", navigation...)
		s.legacy.bridgeDown = true
		a := b.nav("/")
		a.served(t, "django", "ann")
		if a.Claims.Return != lost.Claims.Lineage {
			t.Errorf("ret is %v, the lineage %v", a.Claims.Return, lost.Claims.Lineage)
		}
	})
}

func TestEdge_Statistics(t *testing.T) {
	s := open(t)
	s.change(s.rollout.Start(rolloutSettings(), "salt", "ann"))
	for range 40 {
		b := s.browser()
		b.nav("/")
		b.nav("/")
		b.nav("/")
		b.nav("/buy")
		b.nav("/buy")
	}
	arms, confirmed := map[string]int{}, 0
	for _, x := range s.observer.exposed {
		if x.Confirmed {
			confirmed++
		} else {
			arms[x.Arm.String()]++
		}
	}
	if arms["new"]+arms["legacy"] != 40 || arms["new"] < 8 || arms["legacy"] < 8 || confirmed != 40 {
		t.Errorf("exposed %v, confirmed %d", arms, confirmed)
	}
	steps := map[uint8]int{}
	for _, x := range s.observer.reached {
		steps[x.Step]++
	}
	if steps[1] != 40 || steps[2] != 40 {
		t.Errorf("steps %v", steps)
	}
	t.Run("a lost login is counted", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		delete(b.cookies, cookieSession)
		b.nav("/")
		if n := s.observer.count(edge.CountLostLogin); n != 1 {
			t.Errorf("%d lost logins", n)
		}
	})
	t.Run("a failure of the upstream still leaves the cookies of the handover", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		if a := b.nav("/?fail"); a.StatusCode != http.StatusBadGateway {
			t.Errorf("%d", a.StatusCode)
		}
		b.holds(t, "token", "ticket")
		b.nav("/").served(t, "shop", "ann")
	})
}
