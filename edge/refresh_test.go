package edge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// customer is ann on new, in a site that refreshes counterparts when it is told to.
func customer(t *testing.T) (*site, *browser) {
	t.Helper()
	s := open(t, func(c *edge.Config) { c.Handover.CounterpartRefresh = time.Hour })
	return s, s.customer()
}

func (s *site) customer() *browser {
	s.t.Helper()
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{}, "cart", "1")
	if s.rollout.Treatment == 0 {
		s.start()
	}
	b.nav("/").served(s.t, "shop", "ann")
	return b
}

// counterpart is the legacy session that is kept beside the browser's.
func (b *browser) counterpart() *row {
	b.t.Helper()
	return b.site.legacy.rows[must(b.sessions.Get(b.t.Context(), session.ID(b.nav("/").Claims.Session))).LegacyKey]
}

func (s *site) called(method string) (n int) {
	s.legacy.mu.Lock()
	defer s.legacy.mu.Unlock()
	for _, c := range s.legacy.calls {
		if c == method {
			n++
		}
	}
	return n
}

const refreshing = "restore:counterpart"

func TestEdge_Refresh(t *testing.T) {
	t.Run("a kill while the bridge is down brings back the cart of some seconds ago", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		s.edge.Refresh(t.Context())
		s.legacy.bridgeDown = true
		s.kill()
		if a := b.nav("/"); a.Subject != "ann" || a.Data["cart"] != "2" {
			t.Errorf("%q with cart %s", a.Subject, a.Data["cart"])
		}
	})
	t.Run("so does a kill while the session store is down", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		s.edge.Refresh(t.Context())
		s.storeDown()
		s.kill()
		if a := b.nav("/"); a.Subject != "ann" || a.Data["cart"] != "2" {
			t.Errorf("%q with cart %s", a.Subject, a.Data["cart"])
		}
	})
	t.Run("a guest has no counterpart", func(t *testing.T) {
		s, _ := customer(t)
		b := s.browser()
		b.nav("/")
		b.post("/?set=2")
		b.post("/?set=3")
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("one was written")
		}
	})
	t.Run("a page that writes nothing costs no call", func(t *testing.T) {
		s, b := customer(t)
		b.nav("/")
		b.post("/?set=1") // what it was
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("one was written")
		}
	})
	t.Run("0 turns it off", func(t *testing.T) {
		s := open(t)
		b := s.customer()
		b.post("/?set=2")
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("one was written")
		}
	})
	t.Run("without a way back there is nothing to keep", func(t *testing.T) {
		s, b := customer(t)
		s.change(s.rollout.Finish(s.clock.Now(), 0))
		b.post("/?set=2")
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("one was written")
		}
	})
	t.Run("what waits is written when the edge is closed", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		s.edge.Close()
		if got := string(b.counterpart().data["cart"]); got != "2" {
			t.Errorf("the counterpart has %s", got)
		}
		b.post("/?set=3")
		if n := s.observer.count(edge.CountRefreshDropped); n != 1 {
			t.Errorf("%d dropped after closing", n)
		}
	})
}

func TestEdge_Refresh_races(t *testing.T) {
	// between runs something after the edge has read the session and before legacy is asked.
	between := func(s *site, f func()) {
		s.legacy.during = func(method string) {
			if method == refreshing {
				s.legacy.during = nil
				f()
			}
		}
	}
	t.Run("the visitor goes back to legacy: what she did there stands", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		between(s, func() {
			s.store.down.Store(true)
			s.kill()
			b.nav("/").served(t, "django", "ann")
			b.post("/?set=77")
			s.store.down.Store(false)
		})
		s.edge.Refresh(t.Context())
		if a := b.nav("/"); a.Upstream != "django" || a.Data["cart"] != "77" {
			t.Errorf("on %s with cart %s", a.Upstream, a.Data["cart"])
		}
		if got := s.observer.operations("refresh"); !slices.Equal(got, []string{"served"}) {
			t.Errorf("refreshed: %v", got)
		}
	})
	t.Run("she logs out: nothing comes back, and it is not tried again", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		key := b.counterpartKey()
		between(s, func() {
			b.post("/mono/?logout")
			s.legacy.ended[s.legacy.rows[key].lineage] = true
			delete(s.legacy.rows, key)
		})
		s.edge.Refresh(t.Context())
		s.edge.Refresh(t.Context())
		if s.legacy.rows[key] != nil || s.called(refreshing) != 1 {
			t.Errorf("the row is %v after %d calls", s.legacy.rows[key], s.called(refreshing))
		}
	})
	t.Run("she logged out before: legacy is not asked", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		b.post("/mono/?logout")
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("it was")
		}
	})
	t.Run("she was restored before: legacy is not asked", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		s.kill()
		b.nav("/").served(t, "django", "ann")
		if s.edge.Refresh(t.Context()); s.called(refreshing) != 0 {
			t.Error("it was")
		}
	})
	t.Run("she writes again: a second call follows, and the later version stays", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		between(s, func() { b.post("/?set=3") })
		s.edge.Refresh(t.Context())
		s.edge.Refresh(t.Context())
		row := b.counterpart()
		if string(row.data["cart"]) != "3" || s.called(refreshing) != 2 {
			t.Errorf("%s after %d calls", row.data["cart"], s.called(refreshing))
		}
	})
	t.Run("a later version is there already: it stays", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		row := b.counterpart()
		between(s, func() { row.kept, row.gen, row.version, row.data["cart"] = true, 1, 1000, json.RawMessage("9") })
		s.edge.Refresh(t.Context())
		if got := s.observer.operations("refresh"); !slices.Equal(got, []string{"newer"}) || string(row.data["cart"]) != "9" {
			t.Errorf("refreshed: %v, %s", got, row.data["cart"])
		}
	})
	t.Run("her password changes: the refresh ends nothing", func(t *testing.T) {
		s, b := customer(t)
		b.post("/?set=2")
		s.legacy.changed = true
		s.edge.Refresh(t.Context())
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("lent to a request while the store is down, it is refreshed again afterwards", func(t *testing.T) {
		s, b := customer(t)
		s.storeDown()
		b.nav("/buy").served(t, "django", "ann")
		s.store.down.Store(false)
		s.pass(time.Minute)
		b.post("/?set=2").served(t, "shop", "ann")
		s.edge.Refresh(t.Context())
		if got := string(b.counterpart().data["cart"]); got != "2" {
			t.Errorf("the counterpart has %s", got)
		}
	})
}

// counterpartKey is the key of the one counterpart.
func (b *browser) counterpartKey() string {
	b.t.Helper()
	return must(b.sessions.Get(b.t.Context(), session.ID(b.nav("/").Claims.Session))).LegacyKey
}

func TestEdge_Refresh_burst(t *testing.T) {
	// Each with time of its own: pass lets timers fire, and nobody waits.
	run := func(name string, story func(t *testing.T, s *site, b *browser, pass func(time.Duration))) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, func(c *edge.Config) { c.Handover.CounterpartRefresh = 5 * time.Second })
				story(t, s, s.customer(), func(d time.Duration) {
					s.pass(d)
					time.Sleep(d)
					synctest.Wait()
				})
				s.edge.Close()
			})
		})
	}
	has := func(t *testing.T, b *browser, cart string) {
		t.Helper()
		if got := string(b.counterpart().data["cart"]); got != cart {
			t.Errorf("the counterpart has cart %s, want %s", got, cart)
		}
	}
	run("its writes go in one call, some seconds after the first", func(t *testing.T, s *site, b *browser, pass func(time.Duration)) {
		for i := range 10 {
			b.post(fmt.Sprintf("/?set=%d", 10+i))
			pass(400 * time.Millisecond)
		}
		if n := s.called(refreshing); n != 0 {
			t.Fatalf("%d calls before the time", n)
		}
		pass(time.Second)
		if n := s.called(refreshing); n != 1 {
			t.Fatalf("%d calls for one burst", n)
		}
		has(t, b, "19")
	})
	run("a call that fails is made again, later and later, and then given up", func(t *testing.T, s *site, b *browser, pass func(time.Duration)) {
		s.legacy.bridgeDown = true
		b.post("/?set=20")
		pass(5 * time.Second)
		pass(9 * time.Second)
		if n := s.called(refreshing); n != 1 {
			t.Fatalf("%d calls, want 1", n)
		}
		pass(time.Second)
		if n := s.called(refreshing); n != 2 {
			t.Fatalf("%d calls, want 2", n)
		}
		for range 100 {
			pass(time.Minute)
		}
		if n, failed, dropped := s.called(refreshing), s.observer.count(edge.CountRefreshFailed), s.observer.count(edge.CountRefreshDropped); n != 60 || failed != 60 || dropped != 1 {
			t.Fatalf("%d calls, %d failed, %d given up", n, failed, dropped)
		}
		s.legacy.bridgeDown = false
		b.post("/?set=21")
		pass(5 * time.Second)
		has(t, b, "21")
	})
	run("a write after a failure does not wait for the retry", func(t *testing.T, s *site, b *browser, pass func(time.Duration)) {
		s.legacy.bridgeDown = true
		b.post("/?set=22")
		for range 3 {
			pass(20 * time.Second)
		}
		s.legacy.bridgeDown = false
		b.post("/?set=23")
		pass(5 * time.Second)
		has(t, b, "23")
	})
}

func TestEdge_Refresh_bounds(t *testing.T) {
	s, _ := customer(t)
	of := func(i int) *session.Session {
		return &session.Session{ID: session.ID{byte(i >> 8), byte(i)}, LegacyKey: "k", Kind: session.Authenticated}
	}
	const queue = 4096
	for i := range queue + 10 {
		s.edge.Written(of(i))
	}
	s.edge.Written(of(0)) // waits already
	if n := s.observer.count(edge.CountRefreshDropped); n != 10 {
		t.Errorf("%d dropped, want 10", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.edge.Refresh(ctx) // does not wait
	s.edge.Refresh(t.Context())
	if n := len(s.observer.operations("refresh")); n != queue {
		t.Errorf("%d tried, want %d", n, queue)
	}
}
