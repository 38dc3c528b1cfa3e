package edge_test

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

func TestEdge_Exchange(t *testing.T) {
	t.Run("a logged-in customer is moved and stays logged in", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{}, "cart", `{"12":1.0}`)
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
		s.start()
		a := b.nav("/")
		a.served(t, "shop", "ann")
		if a.Data["cart"] != `{"12":1.0}` {
			t.Errorf("the cart is %s", a.Data["cart"])
		}
		b.holds(t, "token", "ticket")
		b.nav("/mono/").served(t, "django", "ann")
	})
	t.Run("nobody is given a session who had none", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		a := b.nav("/")
		a.served(t, "shop", "")
		if !a.Claims.Unwritten || a.Claims.Session.IsZero() {
			t.Errorf("claims %+v", a.Claims)
		}
		b.holds(t, "token")
		if n := s.store.calls.Load(); n != 0 {
			t.Errorf("a new visitor cost %d calls of the store", n)
		}
	})
	t.Run("a guest's first write makes the record and replaces the token", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		guest := b.cookies[cookieSession]
		b.post("/?set=3")
		if b.cookies[cookieSession] == guest {
			t.Error("the guest token is still there")
		}
		if a := b.nav("/"); a.Data["cart"] != "3" {
			t.Errorf("the cart is lost: %s", a.text)
		}
	})
	t.Run("a fetch never changes systems", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/")
		s.start()
		b.fetch("/").served(t, "django", "ann")
		b.post("/").served(t, "django", "ann")
		b.nav("/", "Sec-Purpose", "prefetch;prerender").served(t, "django", "ann")
		b.nav("/callback").served(t, "django", "ann")
		b.holds(t, "legacy")
	})
	t.Run("a planted legacy key is not exchanged", func(t *testing.T) {
		s := open(t)
		planted := s.legacy.add("mallory", session.VisitorID{6, 6, 6})
		victim := s.browser()
		victim.nav("/") // has a visitor id, and no session
		s.start()
		victim.cookies[cookieLegacy] = planted
		victim.nav("/").served(t, "django", "mallory") // as it would without Crossfade
		victim.holds(t, "legacy")

		guest := s.browser()
		guest.nav("/") // was a guest on new already
		guest.cookies[cookieLegacy] = planted
		guest.nav("/").served(t, "shop", "")
		guest.holds(t, "token")
		if got := s.observer.operations("exchange"); len(got) != 0 {
			t.Errorf("exchanged: %v", got)
		}
	})
	t.Run("a lost answer is asked for again and answered the same", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{}, "cart", "7")
		b.nav("/")
		s.start()
		b.send("GET", "/", navigation...) // exchanged, and the browser never hears of it
		a := b.nav("/")
		a.served(t, "shop", "ann")
		if a.Data["cart"] != "7" {
			t.Errorf("the cart is %s", a.Data["cart"])
		}
		b.holds(t, "token", "ticket")
	})
	t.Run("a bridge whose answers are lost leaves the visitor on legacy and logged in", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/")
		s.start()
		first := true
		s.legacy.during = func(method string) {
			s.legacy.loseAnswer = method == "exchange" && first
			if method == "exchange" {
				first = false
			}
		}
		// Legacy has marked the row as moved; without a successor the context lets it be served.
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("bridge down: legacy until the next entry", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		s.legacy.bridgeDown = true
		b.nav("/").served(t, "django", "ann")
		s.legacy.bridgeDown = false
		b.fetch("/").served(t, "django", "ann")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("store down: the legacy session is not marked as moved", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		key := s.legacy.add("ann", session.VisitorID{})
		b.cookies[cookieLegacy] = key
		s.start()
		s.storeDown()
		b.nav("/").served(t, "django", "ann")
		if s.legacy.rows[key].moved {
			t.Error("moved to nowhere")
		}
		b.holds(t, "legacy")
	})
	t.Run("parallel tabs get one session", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/")
		s.start()
		other := b.clone()
		one, two := b.nav("/"), other.nav("/")
		if one.Claims.Lineage != two.Claims.Lineage || one.Claims.Session != two.Claims.Session {
			t.Errorf("two sessions: %v and %v", one.Claims, two.Claims)
		}
		other.nav("/").served(t, "shop", "ann")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a key that was replayed long after its exchange proves nothing and ends nothing", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/")
		thief := b.clone()
		s.start()
		b.nav("/")
		b.nav("/")
		s.pass(time.Minute)
		a := thief.nav("/")
		a.served(t, "shop", "")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a login older than a mark is refused, and ended in legacy as well", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		key := s.legacy.add("ann", session.VisitorID{})
		b.cookies[cookieLegacy] = key
		s.start()
		if _, err := s.sessions.End(t.Context(), session.End{Everybody: true, Reason: "incident"}); err != nil {
			t.Fatal(err)
		}
		b.nav("/").served(t, "shop", "")
		b.holds(t, "token")
		if !s.sessions.Denied(s.legacy.rows[key].lineage) {
			t.Error("legacy is not asked to end the lineage")
		}
	})
	t.Run("a session that ended in legacy is not served on new", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = "nosuchkey00000000000000000000000"
		s.start()
		b.nav("/").served(t, "shop", "")
		b.holds(t, "token")
	})
	t.Run("related legacy cookies go, the CSRF cookie stays", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.cookies["remember_me"], b.cookies["csrftoken"] = "yes", "form"
		s.start()
		b.nav("/")
		if b.has("remember_me") || b.cookies["csrftoken"] != "form" {
			t.Errorf("cookies are %v", b.cookies)
		}
	})
	t.Run("a guest token of nobody gives way to a login on legacy", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		a := b.nav("/")
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID(a.Claims.Visitor))
		b.nav("/").served(t, "shop", "ann")
		b.holds(t, "token", "ticket")
	})
	t.Run("a guest with a cart who logged in on legacy keeps the cart", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		a := b.nav("/")
		b.post("/?set=5")
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID(a.Claims.Visitor), "seen", "1")
		got := b.nav("/")
		got.served(t, "shop", "ann")
		if got.Data["cart"] != "5" || got.Data["seen"] != "1" {
			t.Errorf("merged into %v", got.Data)
		}
	})
}

func TestEdge_Restore(t *testing.T) {
	moved := func(t *testing.T, tweak ...func(*edge.Config)) (*site, *browser) {
		s := open(t, tweak...)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{}, "cart", "1")
		s.start()
		b.nav("/").served(t, "shop", "ann")
		return s, b
	}
	t.Run("the kill switch brings everybody back, logged in, on any request", func(t *testing.T) {
		s, b := moved(t)
		b.post("/?set=2")
		s.kill()
		a := b.fetch("/")
		a.served(t, "django", "ann")
		if a.Data["cart"] != "2" {
			t.Errorf("the cart is %s", a.Data["cart"])
		}
		b.holds(t, "legacy")
	})
	t.Run("there and back again, several times", func(t *testing.T) {
		s, b := moved(t)
		for range 3 {
			s.kill()
			b.nav("/").served(t, "django", "ann")
			b.holds(t, "legacy")
			s.pass(time.Minute)
			b.nav("/").served(t, "django", "ann")
			s.lift()
			b.nav("/").served(t, "shop", "ann")
			b.holds(t, "token", "ticket")
			s.pass(time.Minute)
		}
	})
	t.Run("kill while the store is down: the ticket", func(t *testing.T) {
		s, b := moved(t)
		s.storeDown()
		s.kill()
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
		b.nav("/").served(t, "django", "ann")
	})
	t.Run("kill while the bridge is down: the ticket", func(t *testing.T) {
		s, b := moved(t)
		s.legacy.bridgeDown = true
		s.kill()
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
	})
	t.Run("over the restore budget: the ticket", func(t *testing.T) {
		s, b := moved(t, func(c *edge.Config) { c.Handover.RestoreBudget = 1 })
		other := s.browser()
		other.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
		other.nav("/").served(t, "shop", "bob")
		s.kill()
		b.nav("/").served(t, "django", "ann")
		other.nav("/").served(t, "django", "bob")
		if got := s.observer.operations("restore"); len(got) != 2 || got[1] != "unreachable" {
			t.Errorf("restores: %v", got)
		}
	})
	t.Run("under kill a dead store is left alone after a few tries", func(t *testing.T) {
		s, b := moved(t)
		s.storeDown()
		s.kill()
		for range 20 {
			b.clone().nav("/")
		}
		if n := s.store.calls.Load(); n > 40 {
			t.Errorf("%d calls of a store that is down", n)
		}
		before := s.store.calls.Load()
		for range 20 {
			b.clone().nav("/")
		}
		if n := s.store.calls.Load() - before; n > 2 {
			t.Errorf("%d calls with the breaker open", n)
		}
	})
	t.Run("a ticket is worth nothing without its token", func(t *testing.T) {
		s, b := moved(t)
		b.nav("/").served(t, "shop", "ann") // the edge knows the ticket now
		thief := s.browser()
		thief.cookies[cookieTicket] = b.cookies[cookieTicket]
		other := s.browser()
		other.nav("/")
		thief.cookies[cookieSession] = other.cookies[cookieSession]
		s.storeDown()
		s.kill()
		thief.nav("/").served(t, "django", "")
	})
	t.Run("a ticket of a lineage that was ended is not honoured", func(t *testing.T) {
		s, b := moved(t)
		a := b.nav("/")
		if _, err := s.sessions.End(t.Context(), session.End{Lineage: session.Lineage(a.Claims.Lineage), Reason: "stolen"}); err != nil {
			t.Fatal(err)
		}
		s.storeDown()
		s.kill()
		b.nav("/").served(t, "django", "")
	})
	t.Run("a mark takes the tickets of its own subject out of force, and nobody else's", func(t *testing.T) {
		s, ann := moved(t)
		bob := s.browser()
		bob.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
		for range 2 { // the second time the edge gets to know the ticket
			bob.nav("/").served(t, "shop", "bob")
		}
		if _, err := s.sessions.End(t.Context(), session.End{Subject: "bob", Reason: "log out everywhere", LegacyDone: true}); err != nil {
			t.Fatal(err)
		}
		s.storeDown()
		s.kill()
		ann.nav("/").served(t, "django", "ann")
		bob.nav("/").served(t, "django", "")
	})
	t.Run("a logout racing a restore wins", func(t *testing.T) {
		s, b := moved(t)
		a := b.nav("/")
		s.kill()
		s.legacy.during = func(method string) {
			if method == "restore:active" {
				s.legacy.during = nil
				if _, err := s.sessions.End(t.Context(), session.End{Lineage: session.Lineage(a.Claims.Lineage), Reason: "logout"}); err != nil {
					t.Error(err)
				}
			}
		}
		b.nav("/").served(t, "django", "")
		b.holds(t)
		b.nav("/").served(t, "django", "")
	})
	t.Run("a user whose password changed is not restored, and ended here as well", func(t *testing.T) {
		s, b := moved(t)
		token := b.cookies[cookieSession]
		s.legacy.changed = true
		s.kill()
		b.nav("/").served(t, "django", "")
		b.holds(t)
		if w := s.sessions.Resolve(t.Context(), token).Worth; w != session.WorthEnded {
			t.Errorf("the token is %v", w)
		}
	})
	t.Run("a restore whose answer is lost is completed by the next request", func(t *testing.T) {
		s, b := moved(t)
		delete(b.cookies, cookieTicket)
		s.kill()
		s.legacy.loseAnswer = true
		b.nav("/").served(t, "django", "")
		b.holds(t, "token")
		s.legacy.loseAnswer = false
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
	})
	t.Run("a rollback with the bridge down leaves the session where it is, and writable", func(t *testing.T) {
		s, b := moved(t)
		s.change(s.rollout.RollBack())
		s.legacy.refused = true
		delete(b.cookies, cookieTicket)
		b.nav("/").served(t, "shop", "ann")
		if a := b.post("/?set=9"); a.Data["cart"] != "9" {
			t.Errorf("not written: %s", a.Response.Header["X-Patch-Error"])
		}
		s.legacy.refused = false
		b.nav("/").served(t, "django", "ann")
	})
	t.Run("parallel tabs are restored once", func(t *testing.T) {
		s, b := moved(t)
		tab := b.clone()
		s.kill()
		b.nav("/").served(t, "django", "ann")
		tab.nav("/").served(t, "django", "ann")
		if b.cookies[cookieLegacy] != tab.cookies[cookieLegacy] {
			t.Error("two legacy sessions")
		}
	})
	t.Run("a guest without anything stored needs no bridge", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		s.kill()
		s.legacy.calls = nil
		b.nav("/").served(t, "django", "")
		b.holds(t)
		if len(s.legacy.calls) != 0 {
			t.Errorf("calls: %v", s.legacy.calls)
		}
	})
	t.Run("a kill is rehearsed on staff alone", func(t *testing.T) {
		s := open(t)
		s.staff["ann"] = true
		ann, bob := s.browser(), s.browser()
		ann.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		bob.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
		s.start()
		ann.nav("/")
		bob.nav("/")
		s.rehearse()
		ann.nav("/").served(t, "django", "ann")
		bob.nav("/").served(t, "shop", "bob")
	})
}

func TestEdge_Snapshots(t *testing.T) {
	t.Run("past its heartbeat an edge hands nothing over", func(t *testing.T) {
		s := open(t)
		b, new := s.browser(), s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		new.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
		new.nav("/").served(t, "shop", "bob")
		s.clock.Advance(16 * time.Second)
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
		new.nav("/").served(t, "shop", "bob")
		s.pass(0)
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a kill stays in force when the control plane falls silent", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/").served(t, "shop", "ann")
		s.kill()
		s.storeDown()
		s.clock.Advance(time.Minute)
		b.nav("/").served(t, "django", "ann")
	})
	t.Run("versions that were started anew do not hold visitors for ever", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.version = 1000
		s.start()
		b.nav("/").served(t, "shop", "ann")
		s.version = 1
		s.kill()
		s.pass(2 * time.Minute)
		b.nav("/").served(t, "django", "ann")
	})
}
