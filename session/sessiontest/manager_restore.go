package sessiontest

import (
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

func (r *rig) claim(id session.ID) session.Claim {
	r.t.Helper()
	c, err := r.ClaimRestore(r.t.Context(), id)
	r.ok(err)
	return c
}

func testRestore(t *testing.T, r *rig) {
	ctx := t.Context()
	t.Run("a claim is one write, and anyone can complete it", func(t *testing.T) {
		in := r.login("u1")
		a := r.claim(in.Session.ID)
		if len(a.Key) != session.KeyLength || strings.Trim(a.Key, session.KeyAlphabet) != "" || a.Done || a.Session.State != session.StateMoving {
			t.Fatalf("got %+v", a)
		}
		same(t, string(a.Attributes["cart"].Value), "[2]")
		b, err := r.node(session.Config{}).ClaimRestore(ctx, in.Session.ID)
		r.ok(err)
		if b.Key != a.Key || b.Operation != a.Operation {
			t.Fatal("two claims")
		}
		res := r.worth(in.Token, session.WorthMoving)
		same(t, res.Session.LegacyKey, a.Key)
		_, err = r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "1")})
		r.fails(fault.Precondition, err)

		r.ok(r.FinishRestore(ctx, b))
		r.ok(r.FinishRestore(ctx, a))
		same(t, r.worth(in.Token, session.WorthMoved).Session.LegacyKey, a.Key)
		done := r.claim(in.Session.ID)
		if !done.Done || done.Key != a.Key {
			t.Fatalf("got %+v", done)
		}
		r.fails(fault.Precondition, r.ReleaseRestore(ctx, a))
	})
	t.Run("the token is open until 30 s after the legacy key was first presented", func(t *testing.T) {
		in := r.login("u1")
		c := r.claim(in.Session.ID)
		r.ok(r.FinishRestore(ctx, c))
		r.clock.Advance(time.Hour)
		r.worth(in.Token, session.WorthMoved)
		r.Presented(ctx, c.Key)
		r.clock.Advance(grace - time.Millisecond)
		r.Presented(ctx, c.Key)
		r.worth(in.Token, session.WorthMoved)
		r.settle()
		if res := r.node(session.Config{}).Resolve(ctx, in.Token); res.Worth != session.WorthMoved {
			t.Fatalf("elsewhere it is %v", res.Worth)
		}
		r.clock.Advance(time.Millisecond)
		r.worth(in.Token, session.WorthInvalid)
		_, err := r.ClaimRestore(ctx, in.Session.ID)
		r.fails(fault.Precondition, err)
		if res := r.node(session.Config{}).Resolve(ctx, in.Token); res.Worth != session.WorthInvalid {
			t.Fatalf("elsewhere it is %v", res.Worth)
		}
	})
	t.Run("released, it is live with its counterpart, and the chosen key proves nothing", func(t *testing.T) {
		in := r.login("u1")
		r.ok(r.AttachCounterpart(ctx, in.Session.ID, "cp", r.clock.Now().Add(time.Hour)))
		c := r.claim(in.Session.ID)
		r.ok(r.ReleaseRestore(ctx, c))
		r.ok(r.ReleaseRestore(ctx, c))
		same(t, r.worth(in.Token, session.WorthLive).Session.LegacyKey, "cp")
		r.fails(fault.Precondition, r.FinishRestore(ctx, c))
		r.refused(exchange(c.Key, in.Session.Lineage, "u1"), session.RefusedClosed)
		again := r.claim(in.Session.ID)
		if again.Key == c.Key {
			t.Fatal("a released key was used again")
		}
	})
	t.Run("a logout racing a restore wins", func(t *testing.T) {
		in := r.login("u1")
		c := r.claim(in.Session.ID)
		_, err := r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout"})
		r.ok(err)
		r.fails(fault.Precondition, r.FinishRestore(ctx, c))
		r.worth(in.Token, session.WorthEnded)
		if !r.Denied(in.Session.Lineage) {
			t.Fatal("legacy is not told")
		}
		s, err := r.Succession(ctx, c.Key)
		r.ok(err)
		if !s.Known || !s.Ended {
			t.Fatalf("got %+v", s)
		}
	})
}

func testWayBack(t *testing.T, r *rig) {
	ctx := t.Context()
	x := exchange("k1", session.Lineage{1}, "u1")
	x.Counterpart, x.CounterpartAt = "c1", epoch.Add(20*24*time.Hour)
	first := r.exchange(x)
	r.worth(first.Token, session.WorthLive)

	t.Run("coming back after a restore opens the next generation", func(t *testing.T) {
		c := r.claim(first.Session.ID)
		r.ok(r.FinishRestore(ctx, c))
		r.Presented(ctx, c.Key)
		back := exchange(c.Key, session.Lineage{1}, "u1")
		back.Counterpart, back.CounterpartAt = "c2", epoch.Add(20*24*time.Hour)
		second := r.exchange(back)
		same(t, second.Session.Generation, uint32(2))
		same(t, second.Session.LegacyKey, "c2")
		r.worth(second.Token, session.WorthLive)
		s, err := r.ByLineage(ctx, session.Lineage{1})
		r.ok(err)
		same(t, s.ID, second.Session.ID)
		r.clock.Advance(grace)
		r.worth(first.Token, session.WorthInvalid)

		t.Run("and a counterpart that was served from a ticket opens the one after", func(t *testing.T) {
			third := r.exchange(exchange("c2", session.Lineage{1}, "u1"))
			same(t, third.Session.Generation, uint32(3))
			// A parallel tab still carries the second's token: it gets what the first tab got.
			res := r.worth(second.Token, session.WorthLive)
			if res.Replace == nil || res.Replace.Token != third.Token || res.Session.ID != third.Session.ID {
				t.Fatalf("got %+v", res)
			}
			r.worth(third.Token, session.WorthLive)
			r.clock.Advance(grace)
			r.worth(second.Token, session.WorthInvalid)
			r.worth(third.Token, session.WorthLive)
		})
	})
	t.Run("a restore that was claimed and never finished comes back as well", func(t *testing.T) {
		in := r.login("u1")
		c := r.claim(in.Session.ID)
		second := r.exchange(exchange(c.Key, in.Session.Lineage, "u1"))
		same(t, second.Session.Generation, uint32(2))
		r.fails(fault.Precondition, r.FinishRestore(ctx, c))
		r.worth(second.Token, session.WorthLive)
	})
	t.Run("legacy's count of generations is believed where ours is gone", func(t *testing.T) {
		x := exchange("k9", session.Lineage{9}, "u1")
		x.Generation = 4
		same(t, r.exchange(x).Session.Generation, uint32(5))
	})
	t.Run("ending the lineage ends every generation", func(t *testing.T) {
		s, err := r.ByLineage(ctx, session.Lineage{1})
		r.ok(err)
		_, err = r.End(ctx, session.End{Lineage: session.Lineage{1}, Reason: "logout"})
		r.ok(err)
		got, err := r.Get(ctx, s.ID)
		r.ok(err)
		same(t, got.State, session.StateEnded)
		r.worth(first.Token, session.WorthEnded)
		_, err = r.ByLineage(ctx, session.Lineage{1})
		r.fails(fault.Precondition, err)
		r.refused(exchange("c1", session.Lineage{1}, "u1"), session.RefusedEnded)
	})
}

func testSuccession(t *testing.T, r *rig) {
	ctx := t.Context()
	ask := func(key string) session.Succession {
		t.Helper()
		s, err := r.Succession(ctx, key)
		r.ok(err)
		return s
	}
	t.Run("a key that never crossed is unknown, also when asked again", func(t *testing.T) {
		for range 2 {
			same(t, ask("k1"), session.Succession{})
		}
	})
	t.Run("from the exchange on it has moved, and is open until 30 s after the successor was presented", func(t *testing.T) {
		in := r.exchange(exchange("k1", session.Lineage{1}, "u1"))
		same(t, ask("k1"), session.Succession{Known: true, Lineage: session.Lineage{1}, Moved: true, Open: true, Session: in.Session.ID})
		r.clock.Advance(time.Hour)
		if !ask("k1").Open {
			t.Fatal("closed before its successor was presented")
		}
		r.worth(in.Token, session.WorthLive)
		r.clock.Advance(grace)
		same(t, ask("k1"), session.Succession{Known: true, Lineage: session.Lineage{1}, Moved: true})
		r.settle()
		s, err := r.node(session.Config{}).Succession(ctx, "k1")
		r.ok(err)
		if s.Open {
			t.Fatal("the first presentation is not durable")
		}
	})
	t.Run("it proves what the session has become since: restored, and come back", func(t *testing.T) {
		x := exchange("k7", session.Lineage{7}, "u7")
		lost := r.exchange(x)
		c := r.claim(lost.Session.ID)
		r.ok(r.FinishRestore(ctx, c))
		same(t, ask("k7").Session, lost.Session.ID)
		got, err := r.Exchange(ctx, x)
		r.ok(err)
		same(t, got, session.Exchanged{Follow: c.Key})

		back := r.exchange(exchange(c.Key, session.Lineage{7}, "u7"))
		same(t, ask("k7").Session, back.Session.ID)
		same(t, r.exchange(x).Token, back.Token)
		r.worth(back.Token, session.WorthLive)
		r.clock.Advance(grace)
		same(t, ask("k7").Open, false)
		r.refused(x, session.RefusedClosed)
	})
	t.Run("the restored session's key, once it was presented, closes it", func(t *testing.T) {
		x := exchange("k8", session.Lineage{8}, "u8")
		c := r.claim(r.exchange(x).Session.ID)
		r.ok(r.FinishRestore(ctx, c))
		r.Presented(ctx, c.Key)
		same(t, ask("k8").Open, true)
		r.clock.Advance(grace)
		same(t, ask("k8").Open, false)
		r.refused(x, session.RefusedClosed)
	})
	t.Run("a login closes it at once", func(t *testing.T) {
		in := r.exchange(exchange("k2", session.Lineage{2}, ""))
		_, err := r.Upgrade(ctx, session.Upgrade{ID: in.Session.ID, Subject: "u1", Born: r.CurrentMark()})
		r.ok(err)
		if s := ask("k2"); !s.Moved || s.Open {
			t.Fatalf("got %+v", s)
		}
	})
	t.Run("a rotation does not open it again", func(t *testing.T) {
		in := r.exchange(exchange("k3", session.Lineage{3}, ""))
		r.worth(in.Token, session.WorthLive)
		r.clock.Advance(time.Minute)
		_, err := r.Rotate(ctx, in.Session.ID)
		r.ok(err)
		if ask("k3").Open {
			t.Fatal("open again")
		}
	})
	t.Run("a counterpart is known and has not moved", func(t *testing.T) {
		in := r.login("u1")
		same(t, ask("c1"), session.Succession{})
		r.ok(r.AttachCounterpart(ctx, in.Session.ID, "c1", r.clock.Now().Add(time.Hour)))
		same(t, ask("c1"), session.Succession{Known: true, Lineage: in.Session.Lineage})
		_, err := r.End(ctx, session.End{Lineage: in.Session.Lineage, Reason: "logout"})
		r.ok(err)
		same(t, ask("c1"), session.Succession{Known: true, Lineage: in.Session.Lineage, Ended: true})
	})
}
