package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

func testEnd(t *testing.T, r *rig) {
	ctx := t.Context()
	end := func(e session.End) session.Ended {
		t.Helper()
		out, err := r.End(ctx, e)
		r.ok(err)
		same(t, out.Mark, r.CurrentMark())
		out.Mark = 0 // where the sequence began is the store's own affair
		return out
	}
	t.Run("one session ends with its lineage", func(t *testing.T) {
		in := r.login("u1")
		r.worth(in.Token, session.WorthLive)
		same(t, end(session.End{ID: in.Session.ID, Reason: "logout"}), session.Ended{Sessions: 1, Outstanding: 1})
		same(t, r.worth(in.Token, session.WorthEnded).Session.EndReason, "logout")
		e, err := r.EndedLineage(ctx, in.Session.Lineage)
		r.ok(err)
		if !e {
			t.Fatal("no tombstone")
		}
		same(t, end(session.End{ID: in.Session.ID, Reason: "again"}), session.Ended{Outstanding: 1})
	})
	t.Run("all of a subject: also the session that no index knows", func(t *testing.T) {
		a, b, other := r.login("u2"), r.login("u2"), r.login("u3")
		r.worth(a.Token, session.WorthLive)
		same(t, end(session.End{Subject: "u2", Reason: "password", LegacyDone: true}), session.Ended{Sessions: 2})
		r.worth(a.Token, session.WorthEnded)
		r.worth(b.Token, session.WorthEnded)
		r.worth(other.Token, session.WorthLive)
		// The index is not what decides: a session with an old mark is dead however it got there.
		_, err := r.Upgrade(ctx, session.Upgrade{Subject: "u2", Born: r.CurrentMark() - 1})
		r.fails(fault.Precondition, err)
		r.worth(r.login("u2").Token, session.WorthLive)
	})
	t.Run("all but the current one, which is born again", func(t *testing.T) {
		x := exchange("k4", session.Lineage{4}, "u4")
		x.Counterpart, x.CounterpartAt = "c4", epoch.Add(time.Hour)
		cur, gone := r.exchange(x), r.login("u4")
		same(t, end(session.End{Subject: "u4", Except: cur.Session.ID, Reason: "password"}), session.Ended{Sessions: 1, Outstanding: 1})
		s := r.worth(cur.Token, session.WorthLive).Session
		same(t, s.Born, r.CurrentMark())
		r.worth(gone.Token, session.WorthEnded)
		if r.Denied(cur.Session.Lineage) || !r.Denied(gone.Session.Lineage) {
			t.Fatal("the wrong lineage is denied")
		}
		t.Run("and what we gave out for it comes back too", func(t *testing.T) {
			r.exchange(exchange("c4", session.Lineage{4}, "u4"))
		})
		t.Run("but not by a session that is not theirs", func(t *testing.T) {
			_, err := r.End(ctx, session.End{Subject: "u4", Except: r.login("u5").Session.ID, Reason: "x"})
			r.fails(fault.Precondition, err)
		})
	})
	t.Run("everybody, by one write, guests included", func(t *testing.T) {
		a, g, w := r.login("u6"), r.NewGuest(session.VisitorID{}), r.guest()
		r.worth(a.Token, session.WorthLive)
		r.worth(g.Token, session.WorthLive)
		before := r.store.count()
		same(t, end(session.End{Everybody: true, Reason: "breach"}).Outstanding, 1)
		same(t, r.store.count()-before, 1)
		r.worth(a.Token, session.WorthEnded)
		r.worth(g.Token, session.WorthEnded)
		r.worth(w.Token, session.WorthEnded)
		shown, err := r.Get(ctx, w.Session.ID)
		r.ok(err)
		same(t, shown.State, session.StateEnded)
		_, err = r.Patch(ctx, session.Patch{ID: w.Session.ID, Set: values("a", "1")})
		r.fails(fault.Precondition, err)
		_, err = r.Patch(ctx, session.Patch{Guest: Proof(g.Session), Set: values("a", "1")})
		r.fails(fault.Precondition, err)
		r.refused(exchange("k6", session.Lineage{6}, ""), session.RefusedMark)
		r.worth(r.NewGuest(session.VisitorID{}).Token, session.WorthLive)
		r.worth(r.login("u6").Token, session.WorthLive)
		t.Run("also after a restart", func(t *testing.T) {
			if w := r.node(session.Config{}).Resolve(ctx, a.Token).Worth; w != session.WorthEnded {
				t.Fatalf("worth %v", w)
			}
		})
	})
	t.Run("a selector that is none, or two, is refused", func(t *testing.T) {
		for _, e := range []session.End{{}, {Everybody: true, Subject: "u"}, {Everybody: true, Except: session.ID{1}}} {
			_, err := r.End(ctx, e)
			r.fails(fault.Invalid, err)
		}
	})
}

func testManagerOutbox(t *testing.T, r *rig) {
	ctx := t.Context()
	in := r.login("u1")
	_, err := r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout"})
	r.ok(err)
	pending := func() []session.PendingEnd {
		t.Helper()
		return must[[]session.PendingEnd](t)(r.PendingEnds(ctx, 10))
	}
	p := pending()
	if len(p) != 1 || p[0].Lineage != in.Session.Lineage || r.Outstanding() != 1 || !r.Denied(in.Session.Lineage) {
		t.Fatalf("got %+v", p)
	}
	t.Run("it survives a restart, deny list included", func(t *testing.T) {
		n := r.node(session.Config{})
		if n.Outstanding() != 1 || !n.Denied(in.Session.Lineage) {
			t.Fatal("forgotten")
		}
	})
	t.Run("a failure waits, and is counted", func(t *testing.T) {
		r.ok(r.FailEnd(ctx, p[0].ID, "bridge down"))
		same(t, len(pending()), 0)
		r.clock.Advance(2 * time.Second)
		same(t, pending()[0].Attempts, 1)
	})
	t.Run("confirmed, it is no longer denied, and stays ended", func(t *testing.T) {
		r.ok(r.ConfirmEnd(ctx, p[0].ID))
		r.ok(r.ConfirmEnd(ctx, p[0].ID))
		if r.Outstanding() != 0 || r.Denied(in.Session.Lineage) {
			t.Fatal("still there")
		}
		r.refused(exchange("k1", in.Session.Lineage, "u1"), session.RefusedEnded)
	})
}

func testList(t *testing.T, r *rig) {
	ctx := t.Context()
	var want []session.ID
	for range 5 {
		r.clock.Advance(time.Second)
		want = append([]session.ID{r.login("u1").Session.ID}, want...)
	}
	dead := r.login("u1")
	_, err := r.End(ctx, session.End{ID: dead.Session.ID, Reason: "logout"})
	r.ok(err)
	t.Run("live sessions of a subject, newest first, page by page", func(t *testing.T) {
		var got []session.ID
		page := ""
		for {
			ss, next, err := r.List(ctx, "u1", page, 2)
			r.ok(err)
			for _, s := range ss {
				got = append(got, s.ID)
			}
			if page = next; page == "" {
				break
			}
		}
		same(t, got, want)
	})
	t.Run("a page that is not ours is refused", func(t *testing.T) {
		_, _, err := r.List(ctx, "u1", "rubbish", 2)
		r.fails(fault.Invalid, err)
		_, _, err = r.List(ctx, "u1", "", 0)
		r.fails(fault.Invalid, err)
	})
}
