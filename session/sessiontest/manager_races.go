package sessiontest

import (
	"fmt"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

func testManagerRaces(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("parallel first writes of one guest make one session and lose nothing", func(t *testing.T) {
		g := r.NewGuest(session.VisitorID{1})
		tokens := make([]string, 12)
		atOnce(12, func(i int) bool {
			p, err := r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values(fmt.Sprint(i), "1")})
			if err != nil || p.Replace == nil {
				t.Errorf("patch %d: %v", i, err)
				return false
			}
			tokens[i] = p.Replace.Token
			return true
		})
		for _, tok := range tokens {
			same(t, tok, tokens[0])
		}
		same(t, len(r.read(g.Session.ID)), 12)
	})
	t.Run("parallel patches of different keys are all kept", func(t *testing.T) {
		id := r.guest().Session.ID
		other := r.node(session.Config{CacheFor: time.Nanosecond})
		atOnce(16, func(i int) bool {
			m := r.Manager
			if i%2 == 0 {
				m = other
			}
			_, err := m.Patch(ctx, session.Patch{ID: id, Set: values(fmt.Sprint("k", i), "1")})
			if err != nil {
				t.Error(err)
			}
			return err == nil
		})
		same(t, len(r.read(id)), 17)
	})
	t.Run("a patch in flight never resurrects a session that ended", func(t *testing.T) {
		for range 10 {
			in := r.login("u1")
			atOnce(6, func(i int) bool {
				var err error
				if i == 0 {
					_, err = r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout", LegacyDone: true})
				} else if _, err = r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values(fmt.Sprint(i), "1")}); err != nil {
					r.Resolve(ctx, in.Token)
				}
				return err == nil
			})
			r.worth(in.Token, session.WorthEnded)
			if _, _, err := r.Read(ctx, in.Session.ID); fault.CodeOf(err) != fault.Precondition {
				t.Fatalf("read: %v", err)
			}
		}
	})
	t.Run("parallel logins all stay listed", func(t *testing.T) {
		atOnce(12, func(int) bool {
			_, err := r.Upgrade(ctx, session.Upgrade{Subject: "listed", Born: r.CurrentMark()})
			return err == nil
		})
		ss, _, err := r.List(ctx, "listed", "", 200)
		r.ok(err)
		same(t, len(ss), 12)
	})
	t.Run("a login racing \"end all\" does not survive", func(t *testing.T) {
		for range 10 {
			born := r.CurrentMark() // read before the authentication began
			tokens := make([]string, 6)
			atOnce(6, func(i int) bool {
				if i == 0 {
					_, err := r.End(ctx, session.End{Subject: "raced", Reason: "password", LegacyDone: true})
					return err == nil
				}
				in, err := r.Upgrade(ctx, session.Upgrade{Subject: "raced", Born: born})
				tokens[i] = in.Token
				return err == nil
			})
			for _, tok := range tokens {
				if w := r.Resolve(ctx, tok).Worth; tok != "" && w != session.WorthEnded {
					t.Fatalf("a token is worth %v", w)
				}
			}
		}
	})
	t.Run("a cache that fills while the session ends does not keep it", func(t *testing.T) {
		for range 20 {
			in := r.login("u1")
			n := r.node(session.Config{})
			atOnce(4, func(i int) bool {
				if i == 0 {
					_, err := n.End(ctx, session.End{ID: in.Session.ID, Reason: "logout", LegacyDone: true})
					return err == nil
				}
				n.Resolve(ctx, in.Token)
				return true
			})
			if w := n.Resolve(ctx, in.Token).Worth; w != session.WorthEnded {
				t.Fatalf("worth %v", w)
			}
		}
	})
	t.Run("logout and restore: the lineage ends, whoever is first", func(t *testing.T) {
		for range 10 {
			in := r.login("u1")
			atOnce(3, func(i int) bool {
				if i == 0 {
					_, err := r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout", LegacyDone: true})
					return err == nil
				}
				c, err := r.ClaimRestore(ctx, in.Session.ID)
				return err == nil && r.FinishRestore(ctx, c) == nil
			})
			r.worth(in.Token, session.WorthEnded)
		}
	})
	t.Run("parallel rotations give one token", func(t *testing.T) {
		g := r.guest()
		r.worth(g.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		tokens := make([]string, 8)
		atOnce(8, func(i int) bool {
			in, err := r.Rotate(ctx, g.Session.ID)
			tokens[i] = in.Token
			return err == nil
		})
		for _, tok := range tokens {
			same(t, tok, tokens[0])
		}
	})
	t.Run("parallel claims are one claim", func(t *testing.T) {
		in := r.login("u1")
		keys := make([]string, 8)
		atOnce(8, func(i int) bool {
			c, err := r.ClaimRestore(ctx, in.Session.ID)
			keys[i] = c.Key
			return err == nil
		})
		for _, k := range keys {
			same(t, k, keys[0])
		}
	})
}

func testStoreDown(t *testing.T, r *rig) {
	ctx := t.Context()
	in := r.login("u1")
	g := r.NewGuest(session.VisitorID{})
	t.Run("a token that cannot be looked up is unknown, not invalid", func(t *testing.T) {
		n := r.node(session.Config{})
		r.store.set(true)
		defer r.store.set(false)
		for _, tok := range []string{in.Token, g.Token} {
			if w := n.Resolve(ctx, tok).Worth; w != session.WorthUnknown {
				t.Fatalf("worth %v", w)
			}
		}
		if w := n.Resolve(ctx, "cf1_x").Worth; w != session.WorthInvalid {
			t.Fatalf("worth %v", w)
		}
	})
	t.Run("a cached answer serves on, marked stale once past its trust, and no longer than said", func(t *testing.T) {
		n := r.node(session.Config{CacheFor: time.Second, StaleFor: time.Minute})
		n.Resolve(ctx, in.Token)
		n.Resolve(ctx, g.Token)
		r.store.set(true)
		defer r.store.set(false)
		for _, tok := range []string{in.Token, g.Token} {
			if res := n.Resolve(ctx, tok); res.Worth != session.WorthLive || res.Stale {
				t.Fatalf("got %+v", res)
			}
		}
		r.clock.Advance(30 * time.Second)
		for _, tok := range []string{in.Token, g.Token} {
			if res := n.Resolve(ctx, tok); res.Worth != session.WorthLive || !res.Stale {
				t.Fatalf("got %+v", res)
			}
		}
		r.clock.Advance(31 * time.Second)
		if w := n.Resolve(ctx, in.Token).Worth; w != session.WorthUnknown {
			t.Fatalf("worth %v", w)
		}
	})
	t.Run("writes fail as unavailable, and activity waits", func(t *testing.T) {
		r.worth(in.Token, session.WorthLive)
		r.clock.Advance(48 * time.Hour)
		r.store.set(true)
		r.worth(in.Token, session.WorthLive)
		r.settle()
		_, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "1")})
		r.fails(fault.Unavailable, err)
		_, err = r.End(ctx, session.End{ID: in.Session.ID, Reason: "x"})
		r.fails(fault.Unavailable, err)
		r.store.set(false)
		r.settle()
		s, err := r.Get(ctx, in.Session.ID)
		r.ok(err)
		same(t, s.LastSeen, r.clock.Now())
	})
}

func testSecondNode(t *testing.T, r *rig) {
	ctx := t.Context()
	cfg := session.Config{CacheFor: time.Hour}
	a, b := r.node(cfg), r.node(cfg)
	in := r.login("u1")
	b.Resolve(ctx, in.Token)
	t.Run("the version hint makes a node read its own visitor's writes", func(t *testing.T) {
		p, err := a.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "1")})
		r.ok(err)
		same(t, b.Resolve(ctx, in.Token).Session.Version, uint64(1))
		same(t, b.Resolve(ctx, session.WithHint(in.Token, p.Session.Version)).Session.Version, p.Session.Version)
		same(t, b.Resolve(ctx, session.WithHint(in.Token, 1<<60)).Worth, session.WorthLive)
	})
	t.Run("a token that was rotated elsewhere is looked up, not refused from the cache", func(t *testing.T) {
		b.Resolve(ctx, in.Token)
		r.clock.Advance(time.Minute)
		rot, err := a.Rotate(ctx, in.Session.ID)
		r.ok(err)
		same(t, b.Resolve(ctx, rot.Token).Worth, session.WorthLive)
	})
}

// testBound checks what another node's changes mean for one whose cache is trusted for a while.
func testBound(t *testing.T, r *rig) {
	ctx := t.Context()
	far := r.node(session.Config{CacheFor: time.Second})
	x := exchange("k1", session.Lineage{1}, "u1")
	in := r.exchange(x)
	succession := func() session.Succession {
		t.Helper()
		return must[session.Succession](t)(far.Succession(ctx, "k1"))
	}
	same(t, far.Resolve(ctx, in.Token).Worth, session.WorthLive)
	same(t, succession().Ended, false)
	_, err := r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout", LegacyDone: true})
	r.ok(err)
	t.Run("an end reaches it within the bound", func(t *testing.T) {
		r.clock.Advance(time.Second)
		same(t, far.Resolve(ctx, in.Token).Worth, session.WorthEnded)
		same(t, succession().Ended, true)
	})
}

func testLifecycle(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("starting and stopping, twice and at once, ends well", func(t *testing.T) {
		atOnce(8, func(i int) bool {
			for range 5 {
				r.Start(ctx)
				r.Stop(ctx)
			}
			return true
		})
	})
	t.Run("stopping writes down what was seen", func(t *testing.T) {
		r.Start(ctx)
		in := r.login("u1")
		r.clock.Advance(2 * 24 * time.Hour)
		r.worth(in.Token, session.WorthLive)
		r.Stop(ctx)
		s, err := r.store.Store.Head(ctx, in.Session.ID)
		r.ok(err)
		same(t, s.LastSeen, r.clock.Now())
		same(t, s.Used, r.clock.Now())
	})
}
