package sessiontest

import (
	"context"
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

// testSharedActivity: no watch tells of activity, so what depends on it is not taken from memory for long.
func testSharedActivity(t *testing.T, s *site) {
	t.Run("activity here does not make what is in memory younger", func(t *testing.T) {
		s.cfg.Idle = time.Second // last-seen is kept each half of it
		b := s.process()
		b.node.Deafen(true)
		s.clock.Advance(bound)
		in := must[session.Issued](t)(s.a.Upgrade(t.Context(), session.Upgrade{Subject: "u1", Born: s.a.CurrentMark(), Idle: time.Second}))
		b.worth(in.Token, session.WorthLive)
		s.a.end(session.End{ID: in.Session.ID})
		s.clock.Advance(bound * 6 / 10)
		b.worth(in.Token, session.WorthLive)
		s.clock.Advance(bound * 4 / 10)
		b.worth(in.Token, session.WorthEnded)
	})
	s.cfg.Idle = time.Hour
	a, b := s.process(), s.process()
	in := a.login("u1")
	b.hear()
	b.worth(in.Token, session.WorthLive)
	t.Run("a session that is used elsewhere does not expire here", func(t *testing.T) {
		for range 3 {
			s.clock.Advance(40 * time.Minute)
			a.hear()
			a.worth(in.Token, session.WorthLive)
			a.Stop(t.Context()) // writes activity down
			a.Start(context.Background())
			a.node.Joined()
			a.hear()
		}
		b.hear()
		b.worth(in.Token, session.WorthLive)
	})
	t.Run("a successor that is used elsewhere closes the old secret here", func(t *testing.T) {
		rot := must[session.Issued](t)(a.Rotate(t.Context(), in.Session.ID))
		b.hear()
		b.worth(in.Token, session.WorthLive)
		a.worth(rot.Token, session.WorthLive)
		a.Stop(t.Context())
		s.clock.Advance(grace)
		b.hear()
		b.worth(in.Token, session.WorthInvalid)
	})
}

func testSharedStrict(t *testing.T, s *site) {
	strict := session.Strictly(t.Context())
	for _, in := range []session.Issued{s.a.login("u1"), s.a.guest(), s.a.NewGuest(session.VisitorID{4})} {
		s.b.hear()
		s.b.worth(in.Token, session.WorthLive)
		same(t, s.b.Resolve(strict, in.Token).Worth, session.WorthLive)
		s.a.end(session.End{ID: in.Session.ID})
		s.b.worth(in.Token, session.WorthLive)
		same(t, s.b.Resolve(strict, in.Token).Worth, session.WorthEnded)
	}
	in := s.a.login("u1")
	s.b.hear()
	s.b.worth(in.Token, session.WorthLive)
	s.a.end(session.End{Everybody: true})
	same(t, s.b.Resolve(strict, in.Token).Worth, session.WorthEnded)
	s.b.node.Cut(true)
	same(t, s.b.Resolve(strict, in.Token).Worth, session.WorthUnknown)
}

func testSharedDown(t *testing.T, s *site) {
	s.cfg.StaleFor = time.Minute
	b := s.process()
	in, ended := s.a.login("u1"), s.a.login("u2")
	b.hear()
	b.worth(in.Token, session.WorthLive)
	b.worth(ended.Token, session.WorthLive)
	s.clock.Advance(time.Hour)
	b.hear()
	b.node.Cut(true)
	b.node.Deafen(true)
	s.a.end(session.End{Subject: "u2"})
	t.Run("memory serves on, marked stale once past the bound", func(t *testing.T) {
		same(t, b.worth(in.Token, session.WorthLive).Stale, false)
		s.clock.Advance(bound)
		same(t, b.worth(in.Token, session.WorthLive).Stale, true)
		same(t, b.worth(ended.Token, session.WorthLive).Stale, true)
	})
	t.Run("counted from when the watch last vouched for it, and no longer than said", func(t *testing.T) {
		s.clock.Advance(time.Minute - 1)
		same(t, b.worth(in.Token, session.WorthLive).Stale, true)
		s.clock.Advance(1)
		b.worth(in.Token, session.WorthUnknown)
	})
	t.Run("and when the store is back it is asked", func(t *testing.T) {
		b.node.Cut(false)
		b.worth(in.Token, session.WorthLive)
		b.worth(ended.Token, session.WorthEnded)
	})
}

// testSharedCost: what sharing costs in reads.
func testSharedCost(t *testing.T, s *site) {
	in := s.a.login("u1")
	s.b.hear()
	s.b.worth(in.Token, session.WorthLive)
	many := func(p *process) func() {
		return func() {
			for range 50 {
				p.worth(in.Token, session.WorthLive)
			}
		}
	}
	t.Run("nothing while the watch lives", func(t *testing.T) {
		for range 5 {
			s.clock.Advance(bound / 2)
			s.b.hear()
			same(t, s.b.reads(many(s.b)), 0)
		}
	})
	t.Run("nothing after a write of one's own that is told", func(t *testing.T) {
		s.a.hear()
		must[session.Patched](t)(s.a.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("a", "1")}))
		s.a.hear()
		same(t, s.a.reads(many(s.a)), 0)
	})
	t.Run("one read per session and bound while it is lost", func(t *testing.T) {
		s.b.node.Deafen(true)
		for range 3 {
			s.clock.Advance(bound)
			same(t, s.b.reads(many(s.b)), 1)
		}
		if w := s.b.Watch(); w.Alive || !w.Shared || s.b.seen.through != 3 {
			t.Fatalf("got %+v, %+v", w, s.b.seen)
		}
		s.b.node.Deafen(false)
	})
	t.Run("what is written while it is lost is seen at once", func(t *testing.T) {
		s.b.node.Deafen(true)
		s.clock.Advance(bound)
		p := must[session.Patched](t)(s.b.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("b", "1")}))
		same(t, s.b.worth(in.Token, session.WorthLive).Session.Version, p.Session.Version)
		s.b.end(session.End{ID: in.Session.ID})
		s.b.worth(in.Token, session.WorthEnded)
	})
	if s.b.seen.lags == 0 {
		t.Fatal("the lag was never measured")
	}
}

func testSharedDenied(t *testing.T, s *site) {
	in := s.a.login("u1")
	s.a.end(session.End{ID: in.Session.ID})
	s.b.hear()
	same(t, s.b.Denied(in.Session.Lineage), true)
	due := must[[]session.PendingEnd](t)(s.b.PendingEnds(t.Context(), 10))
	if err := s.b.ConfirmEnd(t.Context(), due[0].ID); err != nil {
		t.Fatal(err)
	}
	same(t, s.a.Denied(in.Session.Lineage), true)
	for _, p := range []*process{s.a, s.b} {
		p.node.Close()
		p.hear() // asks what is outstanding, as it does from time to time
		same(t, p.Denied(in.Session.Lineage), false)
		same(t, p.Outstanding(), 0)
	}
}

func testSharedOnWrite(t *testing.T, s *site) {
	ctx := t.Context()
	var told []*session.Session
	s.b.OnWrite(func(s *session.Session) { told = append(told, s) })
	in := s.a.login("u1")
	s.b.hear()
	t.Run("a process is told of what others write to a session that it serves", func(t *testing.T) {
		s.b.worth(in.Token, session.WorthLive)
		p := must[session.Patched](t)(s.a.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "1")}))
		s.b.hear()
		if len(told) != 1 || told[0].ID != in.Session.ID || told[0].Version != p.Session.Version {
			t.Fatalf("told %+v", told)
		}
	})
	t.Run("not of others, and of its own writes once", func(t *testing.T) {
		told = nil
		must[session.Patched](t)(s.a.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "2")}))
		s.b.hear()
		same(t, len(told), 0)
		must[session.Patched](t)(s.b.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("a", "3")}))
		s.b.hear()
		s.b.node.Changes(100)
		same(t, len(told), 1)
	})
}

func testReuse(t *testing.T, s *site) {
	ctx := t.Context()
	in := s.a.login("u1")
	sibling := s.a.login("u1")
	expect := func(class session.ReuseClass, again bool) {
		t.Helper()
		n := len(s.a.seen.reused)
		if n == 0 {
			t.Fatal("nothing was told")
		}
		r := s.a.seen.reused[n-1]
		if r.Class != class || r.Session != in.Session.ID || r.Subject != "u1" || r.Again != again {
			t.Fatalf("told %+v", r)
		}
	}
	s.a.worth(in.Token, session.WorthLive)
	s.clock.Advance(time.Minute)
	one := must[session.Issued](t)(s.a.Rotate(ctx, in.Session.ID))
	t.Run("a parallel request is a race, and gets the winner's token", func(t *testing.T) {
		same(t, s.a.worth(in.Token, session.WorthLive).Replace.Token, one.Token)
		expect(session.ReuseRace, false)
	})
	t.Run("an answer that was lost is a retry, and gets a new one", func(t *testing.T) {
		s.clock.Advance(grace)
		two := s.a.worth(in.Token, session.WorthLive).Replace
		expect(session.ReuseRetry, false)
		one = *two
	})
	s.a.worth(one.Token, session.WorthLive)
	s.clock.Advance(grace)
	t.Run("what comes after the grace is a suspicion, told once in a while, and ends nothing", func(t *testing.T) {
		s.a.worth(in.Token, session.WorthInvalid)
		expect(session.ReuseTheft, false)
		s.a.worth(in.Token, session.WorthInvalid)
		expect(session.ReuseTheft, true)
		s.a.worth(one.Token, session.WorthLive)
		s.a.worth(sibling.Token, session.WorthLive)
	})
	t.Run("it is known after further rotations and logins", func(t *testing.T) {
		two := must[session.Issued](t)(s.a.Rotate(ctx, in.Session.ID))
		s.a.worth(two.Token, session.WorthLive)
		s.clock.Advance(grace)
		up := must[session.Issued](t)(s.a.StepUp(ctx, session.StepUp{ID: in.Session.ID}))
		s.a.worth(up.Token, session.WorthLive)
		s.clock.Advance(grace)
		s.a.worth(one.Token, session.WorthInvalid)
		expect(session.ReuseTheft, false)
	})
	t.Run("a guess is none", func(t *testing.T) {
		n := len(s.a.seen.reused)
		s.a.worth(session.Token{ID: in.Session.ID, Secret: session.Secret{9}}.String(), session.WorthInvalid)
		same(t, len(s.a.seen.reused), n)
	})
	s.a.worth(sibling.Token, session.WorthLive)
}
