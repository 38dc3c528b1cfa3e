package edge_test

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// TestEdge_OlderSnapshot has two edges that disagree: one plans by what it heard last, the other by the news.
func TestEdge_OlderSnapshot(t *testing.T) {
	// elsewhere lets an edge answer that has heard nothing since the old snapshot.
	elsewhere := func(s *site, old *rollout.Snapshot, visit func() answer) answer {
		news := s.snapshot.Swap(old)
		defer s.snapshot.Store(news)
		return visit()
	}
	t.Run("it obeys the visitor's record", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		old := s.snapshot.Load()
		s.kill()
		b.nav("/").served(t, "django", "ann")
		elsewhere(s, old, func() answer { return b.nav("/") }).served(t, "django", "ann")
		b.holds(t, "legacy")
		b.nav("/").served(t, "django", "ann")
	})
	t.Run("it leaves nobody with two session cookies", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		old := s.snapshot.Load()
		s.kill()
		b.nav("/").served(t, "django", "ann")
		s.lift()
		b.nav("/").served(t, "shop", "ann")
		b.cookies[cookieLegacy] = s.legacy.add("eve", session.VisitorID{9})
		elsewhere(s, old, func() answer { return b.nav("/") }).served(t, "shop", "ann")
		b.holds(t, "token", "ticket")
	})
	t.Run("two tabs, moved by one edge and sent back by the other, end in one session with its cart", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("", session.VisitorID{}, "cart", "7")
		b.nav("/").served(t, "django", "")
		old := s.snapshot.Load()
		s.start()
		b.clone().nav("/").served(t, "shop", "") // the answer is lost
		slow := b.clone()
		elsewhere(s, old, func() answer { return b.nav("/") }).served(t, "django", "")
		if a := slow.nav("/"); a.Data["cart"] != "7" {
			t.Errorf("the slow tab sees the cart %q", a.Data["cart"])
		}
		b.cookies = slow.cookies // its answer comes last
		if a := b.nav("/"); a.Data["cart"] != "7" {
			t.Errorf("the cart is %q", a.Data["cart"])
		}
		b.holds(t, "token")
	})
}

// TestEdge_Frozen has an edge whose control plane has fallen silent.
func TestEdge_Frozen(t *testing.T) {
	t.Run("what was half handed over is settled, so that a login on that page counts", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		s.kill()
		b.clone().nav("/").served(t, "django", "ann") // the answer is lost
		s.lift()
		s.clock.Advance(time.Minute)
		b.nav("/").served(t, "django", "ann")
		b.holds(t, "legacy")
		b.post("/mono/?login=bob")
		b.nav("/").served(t, "django", "bob")
	})
	t.Run("of two session cookies one goes", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		s.clock.Advance(time.Minute)
		b.cookies[cookieLegacy] = s.legacy.add("eve", session.VisitorID{9})
		b.nav("/").served(t, "shop", "ann")
		b.holds(t, "token", "ticket")
	})
}

func TestEdge_TicketAfterNewPassword(t *testing.T) {
	t.Run("a new password leaves a ticket that counts at once, also with the store down", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		thief := b.clone()
		b.post("/mono/?password")
		s.kill()
		s.storeDown()
		b.nav("/").served(t, "django", "ann")
		thief.nav("/").served(t, "django", "")
	})
}
