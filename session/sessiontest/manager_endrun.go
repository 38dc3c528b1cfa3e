package sessiontest

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/endrun"
)

// runners work on the rig's store, as two processes would. Pauses move the clock.
func (r *rig) runner(m *session.Manager, heard *[]endrun.Event) *endrun.Runner {
	return endrun.New(endrun.Config{
		Store: r.store, Sessions: m, Clock: r.clock.Now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Pause: func(ctx context.Context, d time.Duration) error { r.clock.Advance(d); return ctx.Err() },
		Record: func(_ context.Context, e endrun.Event) {
			if heard != nil {
				*heard = append(*heard, e)
			}
		},
	})
}

// loginBy logs somebody in by a method.
func (r *rig) loginBy(subject, method string) session.Issued {
	r.t.Helper()
	in, err := r.Upgrade(r.t.Context(), session.Upgrade{Subject: subject, Born: r.CurrentMark(), Methods: []string{method}, Set: values("plan", `"trial"`)})
	r.ok(err)
	return in
}

func sms(dry bool) endrun.Order {
	return endrun.Order{Where: endrun.Where{Method: "sms"}, DryRun: dry, Author: "ana", Reason: "sms is broken"}
}

// steps takes a runner on until it says that there is nothing to do for the moment.
func (r *rig) steps(runner *endrun.Runner) {
	r.t.Helper()
	for range 10_000 {
		more, err := runner.Step(r.t.Context())
		r.ok(err)
		if !more {
			return
		}
	}
	r.t.Fatal("it does not come to rest")
}

// finish takes a run through its last pass.
func (r *rig) finish(runner *endrun.Runner) {
	r.t.Helper()
	r.steps(runner)
	r.clock.Advance(time.Minute)
	r.steps(runner)
	r.steps(runner) // whether legacy has it
}

// confirmAll is a legacy system that does what it is told.
func (r *rig) confirmAll() {
	r.t.Helper()
	for _, p := range must[[]session.PendingEnd](r.t)(r.PendingEnds(r.t.Context(), 1000)) {
		r.ok(r.ConfirmEnd(r.t.Context(), p.ID))
	}
}

func (r *rig) run(runner *endrun.Runner, id endrun.ID) endrun.Run {
	r.t.Helper()
	return must[endrun.Run](r.t)(runner.Get(r.t.Context(), id))
}

func (r *rig) begin(runner *endrun.Runner, o endrun.Order) endrun.ID {
	r.t.Helper()
	r.clock.Advance(time.Second)
	return must[endrun.Run](r.t)(runner.Start(r.t.Context(), o)).ID
}

func testEndRuns(t *testing.T, r *rig) {
	ctx := t.Context()
	var heard []endrun.Event
	runner := r.runner(r.Manager, &heard)
	broken, good, guest := r.loginBy("u1", "sms"), r.loginBy("u2", "pwd"), r.guest()

	t.Run("a dry run counts and ends nothing", func(t *testing.T) {
		id := r.begin(runner, sms(true))
		r.steps(runner)
		run := r.run(runner, id)
		if run.State != endrun.Done || run.Matched != 1 || run.Ended != 0 || len(run.Samples) != 1 || run.Samples[0] != broken.Session.ID.String() {
			t.Fatalf("got %+v", run)
		}
		r.worth(broken.Token, session.WorthLive)
		same(t, len(heard), 0)
	})
	t.Run("a run ends what matches and nothing else, and is done when legacy has confirmed each", func(t *testing.T) {
		id := r.begin(runner, sms(false))
		r.steps(runner)
		same(t, r.worth(broken.Token, session.WorthEnded).Session.EndReason, "sms is broken (by ana)")
		r.worth(good.Token, session.WorthLive)
		r.worth(guest.Token, session.WorthLive)
		same(t, r.run(runner, id).State, endrun.Running) // what was under way when it started may still come
		r.finish(runner)
		run := r.run(runner, id)
		if run.State != endrun.Confirming || run.Ended != 1 || run.Outstanding != 1 || run.Pass != 2 {
			t.Fatalf("got %+v", run)
		}
		same(t, len(heard), 1)
		r.confirmAll()
		r.steps(runner)
		run = r.run(runner, id)
		if run.State != endrun.Done || run.Outstanding != 0 || run.Finished.IsZero() {
			t.Fatalf("got %+v", run)
		}
		if len(heard) != 2 || heard[1].Run.State != endrun.Done || heard[1].Author != "ana" {
			t.Fatalf("on record: %+v", heard)
		}
	})
	t.Run("a request in flight does not bring back what a run has ended", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: broken.Session.ID, Set: values("plan", `"pro"`)})
		r.fails(fault.Precondition, err)
	})
	t.Run("a session that was left on legacy ends there", func(t *testing.T) {
		moved := record(77)
		moved.State, moved.Methods, moved.Born = session.StateMoved, []string{"sms"}, r.CurrentMark()
		moved.Created, moved.LastSeen, moved.ExpiresAt, moved.Origin = r.clock.Now(), r.clock.Now(), r.clock.Now().Add(time.Hour), ""
		commit(t, r.store, session.Insert{Record: moved})
		r.begin(runner, sms(false))
		r.finish(runner)
		if !r.Denied(moved.Lineage) {
			t.Fatal("legacy is not told")
		}
		r.confirmAll()
		r.steps(runner)
	})
	t.Run("rubbish is refused", func(t *testing.T) {
		for _, o := range []endrun.Order{{}, {Where: sms(true).Where, Author: "ana"}, {Where: sms(true).Where, Reason: "x"},
			{Where: sms(true).Where, Author: "ana", Reason: "x", Rate: -1}, {Where: endrun.Where{Subject: "u1"}, Author: "ana", Reason: "x"}} {
			_, err := runner.Start(ctx, o)
			r.fails(fault.Invalid, err)
		}
		_, err := runner.Get(ctx, endrun.ID{1})
		r.fails(fault.NotFound, err)
	})
	t.Run("races", func(t *testing.T) { testEndRunRaces(t, r) })
	t.Run("processes", func(t *testing.T) { testEndRunProcesses(t, r) })
}

func testEndRunRaces(t *testing.T, r *rig) {
	ctx := t.Context()
	runner := r.runner(r.Manager, nil)
	t.Run("a login that was under way when the run started does not survive it", func(t *testing.T) {
		late := record(90) // issued before the start, stored behind the first pass
		late.Methods, late.Created, late.Origin, late.Born = []string{"sms"}, r.clock.Now(), "", r.CurrentMark()
		late.LastSeen, late.ExpiresAt = late.Created, late.Created.Add(time.Hour)
		r.begin(runner, sms(false))
		r.steps(runner)
		commit(t, r.store, session.Insert{Record: late})
		r.finish(runner)
		same(t, head(t, r.store, late.ID).State, session.StateEnded)
	})
	t.Run("who logs in after the start stays, also in a session that was to end", func(t *testing.T) {
		again := r.loginBy("u5", "sms")
		r.begin(runner, sms(false))
		r.clock.Advance(time.Second)
		in, err := r.Upgrade(ctx, session.Upgrade{ID: again.Session.ID, Subject: "u5", Born: r.CurrentMark(), Methods: []string{"sms"}})
		r.ok(err)
		fresh := r.loginBy("u6", "sms")
		r.finish(runner)
		r.worth(in.Token, session.WorthLive)
		r.worth(fresh.Token, session.WorthLive)
	})
	t.Run("what changes between the look and the end is judged anew", func(t *testing.T) {
		in := r.loginBy("u7", "pwd")
		trial := func(rec *session.Record) bool { return string(rec.Attributes["plan"].Value) == `"trial"` }
		seen := full(t, r.store, in.Session.ID)
		_, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("plan", `"pro"`)})
		r.ok(err)
		ended, err := r.EndIf(ctx, seen, trial, "x", session.EndGroup{})
		r.ok(err)
		if ended {
			t.Fatal("ended by what it was")
		}
		r.worth(in.Token, session.WorthLive)
		_, err = r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("plan", `"trial"`)})
		r.ok(err)
		if ended, err = r.EndIf(ctx, seen, trial, "x", session.EndGroup{}); err != nil || !ended {
			t.Fatalf("a stale look: %v, %v", ended, err)
		}
		r.worth(in.Token, session.WorthEnded)
	})
	t.Run("what a mark has ended is not ended again", func(t *testing.T) {
		r.loginBy("u8", "sms")
		must[session.Ended](t)(r.End(ctx, session.End{Subject: "u8", Reason: "password", LegacyDone: true}))
		id := r.begin(runner, sms(true))
		r.steps(runner)
		for _, s := range r.run(runner, id).Samples {
			if shown, _ := session.ParseID(s); head(t, r.store, shown).Subject == "u8" {
				t.Fatal("counted")
			}
		}
	})
}

func testEndRunProcesses(t *testing.T, r *rig) {
	ctx := t.Context()
	other := r.node(session.Config{})
	first, second := r.runner(r.Manager, nil), r.runner(other, nil)
	var tokens []string
	for range 450 { // more than two pages
		tokens = append(tokens, r.loginBy("many", "sms").Token)
	}
	ended := func() (n int) {
		for _, token := range tokens {
			if r.Resolve(ctx, token).Worth == session.WorthEnded {
				n++
			}
		}
		return n
	}
	id := r.begin(first, sms(false))
	must[bool](t)(first.Step(ctx)) // a page or so, then it dies
	some := ended()
	if some == len(tokens) || some == 0 {
		t.Fatalf("ended %d", some)
	}
	t.Run("while one works on a run, no other does", func(t *testing.T) {
		must[bool](t)(second.Step(ctx))
		same(t, ended(), some)
	})
	t.Run("when it dies, another goes on where it was", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		r.finish(second)
		for _, token := range tokens {
			if w := other.Resolve(ctx, token).Worth; w != session.WorthEnded {
				t.Fatalf("one is worth %v", w)
			}
		}
		if run := r.run(second, id); run.State != endrun.Confirming || run.Ended < uint64(len(tokens)) {
			t.Fatalf("got %+v", run)
		}
	})
	t.Run("a store that is away for a while is waited for, and the run says so", func(t *testing.T) {
		in := r.loginBy("u9", "sms")
		id := r.begin(second, sms(false))
		r.store.set(true)
		if _, err := second.Step(ctx); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("got %v", err)
		}
		r.store.set(false)
		r.finish(second)
		same(t, head(t, r.store, in.Session.ID).State, session.StateEnded)
		same(t, r.run(second, id).Trouble, "")
	})
	t.Run("cancelled, it ends nothing more, and what has ended stays so", func(t *testing.T) {
		r.loginBy("u10", "sms")
		id := r.begin(second, sms(false))
		run := must[endrun.Run](t)(first.Cancel(ctx, id, "bo", "wrong condition"))
		same(t, run.State, endrun.Cancelled)
		same(t, run.CancelledBy, "bo")
		r.finish(second)
		same(t, r.run(second, id).Ended, uint64(0))
		_, err := first.Cancel(ctx, id, "bo", "again")
		r.fails(fault.Precondition, err)
	})
	t.Run("runs are listed newest first, and forgotten after a season", func(t *testing.T) {
		runs := must[[]endrun.Run](t)(first.List(ctx))
		if len(runs) < 3 || runs[0].Started.Before(runs[1].Started) {
			t.Fatalf("got %d", len(runs))
		}
		r.clock.Advance(100 * 24 * time.Hour)
		r.steps(first)
		for _, run := range must[[]endrun.Run](t)(first.List(ctx)) {
			if run.State.Over() {
				t.Fatalf("still there: %+v", run)
			}
		}
	})
}
