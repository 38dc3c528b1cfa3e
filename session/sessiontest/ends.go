package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

func isEnded(t testing.TB, s session.Store, l session.Lineage) bool {
	t.Helper()
	return must[bool](t)(s.Ended(t.Context(), l))
}

func endLineage(l session.Lineage) session.EndLineage {
	return session.EndLineage{Lineage: l, Reason: "logout", At: epoch, Keep: epoch.Add(time.Hour)}
}

func testEnds(t *testing.T, s session.Store) {
	t.Run("a lineage ends with all its generations, and keeps no data", func(t *testing.T) {
		a, b := record(1), record(2)
		a.State = session.StateMoved
		b.Lineage, b.Generation = a.Lineage, 2
		commit(t, s, session.Insert{Record: a}, session.Insert{Record: b})
		res := commit(t, s, endLineage(a.Lineage))
		same(t, res.Lineages, []session.Lineage{a.Lineage})
		same(t, res.Records, []session.EndedRecord{{ID: id(1), Live: false}, {ID: id(2), Live: true}})
		for _, n := range []byte{1, 2} {
			r := full(t, s, id(n))
			if r.State != session.StateEnded || r.EndReason != "logout" || len(r.Attributes) != 0 || r.Sealed != nil || r.Version != 2 {
				t.Fatalf("record %d is %+v", n, r)
			}
		}
	})
	t.Run("a request in flight never resurrects a session that ended", func(t *testing.T) {
		r := record(3)
		commit(t, s, session.Insert{Record: r})
		commit(t, s, endLineage(r.Lineage))
		refusedWith(t, s, session.ErrConflict, session.Update{Record: next(r)})
		refusedWith(t, s, session.ErrEnded, session.Insert{Record: func() *session.Record {
			again := record(4)
			again.Lineage, again.Generation = r.Lineage, 2
			return again
		}()})
	})
	t.Run("a lineage that nothing is known of can end, and nothing begins in it", func(t *testing.T) {
		commit(t, s, endLineage(session.Lineage(id(5))))
		if !isEnded(t, s, session.Lineage(id(5))) {
			t.Fatal("no tombstone")
		}
		refusedWith(t, s, session.ErrEnded, session.Insert{Record: record(5)})
	})
	t.Run("ending twice keeps the first reason and notice", func(t *testing.T) {
		first := endLineage(session.Lineage{8})
		first.Notify = &session.Notice{Operation: [16]byte{1}}
		a := commit(t, s, first)
		b := commit(t, s, first)
		if a.EndID == 0 || b.EndID != a.EndID {
			t.Fatalf("outbox rows %d and %d", a.EndID, b.EndID)
		}
	})
	t.Run("a lineage that has not ended says so", func(t *testing.T) {
		if isEnded(t, s, session.Lineage{77}) {
			t.Fatal("tombstone without an end")
		}
	})
}

func testMarks(t *testing.T, s session.Store) {
	read := func() session.Marks { t.Helper(); return must[session.Marks](t)(s.Marks(t.Context())) }
	first := read().Sequence // where it begins is the store's own affair
	same(t, read(), session.Marks{Sequence: first, Subjects: map[string]session.Mark{}})

	t.Run("ending everybody is one write and draws the next mark", func(t *testing.T) {
		commit(t, s, session.Insert{Record: record(1)})
		res := commit(t, s, session.EndEverybody{Reason: "breach", At: epoch})
		if res.Mark != first+1 || len(res.Records) != 0 || head(t, s, id(1)).State != session.StateLive {
			t.Fatalf("got %+v", res)
		}
		same(t, read(), session.Marks{Sequence: first + 1, Global: first + 1, Subjects: map[string]session.Mark{}})
	})
	t.Run("ending a subject ends what is known of it and spares one", func(t *testing.T) {
		kept, gone, other := record(2), record(3), record(4)
		other.Subject = "u2"
		commit(t, s, session.Insert{Record: kept}, session.Insert{Record: gone}, session.Insert{Record: other})
		op := session.EndSubject{Subject: "u1", Reason: "password", At: epoch, Keep: epoch.Add(time.Hour),
			Except: kept.ID, ExceptVersion: 1, ExceptLineage: kept.Lineage}
		res := commit(t, s, op)
		if res.Mark != first+2 || len(res.Records) != 2 {
			t.Fatalf("got %+v", res)
		}
		same(t, read(), session.Marks{Sequence: first + 2, Global: first + 1, Subjects: map[string]session.Mark{"u1": first + 2}})
		if r := head(t, s, kept.ID); r.State != session.StateLive || r.Born != first+2 || r.Version != 2 {
			t.Fatalf("the spared session is %+v", r)
		}
		if head(t, s, gone.ID).State != session.StateEnded || head(t, s, other.ID).State != session.StateLive {
			t.Fatal("the wrong sessions ended")
		}
		t.Run("but not one that changed meanwhile, and then nothing ends", func(t *testing.T) {
			refusedWith(t, s, session.ErrConflict, op)
			same(t, read().Sequence, first+2)
		})
	})
}

func testOutbox(t *testing.T, s session.Store) {
	lineage := endLineage(session.Lineage{1})
	lineage.Notify = &session.Notice{Operation: [16]byte{1}}
	commit(t, s, session.Insert{Record: record(2)})
	a := commit(t, s, lineage)
	b := commit(t, s, session.EndSubject{Subject: "u1", Reason: "gone", At: epoch, Keep: epoch, ExceptLineage: session.Lineage{9},
		Notify: &session.Notice{Operation: [16]byte{2}}})
	c := commit(t, s, session.EndEverybody{Reason: "breach", At: epoch, Notify: &session.Notice{Operation: [16]byte{3}}})
	due := func(now time.Time) []session.PendingEnd {
		return must[[]session.PendingEnd](t)(s.Due(t.Context(), now, 10))
	}

	t.Run("what legacy has to be told is there, oldest first", func(t *testing.T) {
		same(t, due(epoch), []session.PendingEnd{
			{ID: a.EndID, Operation: [16]byte{1}, Lineage: session.Lineage{1}, Reason: "logout", Since: epoch},
			{ID: b.EndID, Operation: [16]byte{2}, Subject: "u1", Before: b.Mark, Except: session.Lineage{9}, Reason: "gone", Since: epoch},
			{ID: c.EndID, Operation: [16]byte{3}, Everybody: true, Before: c.Mark, Reason: "breach", Since: epoch},
		})
	})
	t.Run("and which lineages it covers", func(t *testing.T) {
		same(t, must[map[int64][]session.Lineage](t)(s.Outstanding(t.Context())), map[int64][]session.Lineage{
			a.EndID: {{1}}, b.EndID: {session.Lineage(id(2))}, c.EndID: nil,
		})
	})
	t.Run("a failed attempt waits, longer each time", func(t *testing.T) {
		fail := session.FailEnd{ID: a.EndID, Cause: "down", At: epoch, First: time.Second, Last: 3 * time.Second}
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second} {
			commit(t, s, fail)
			if n := len(due(epoch.Add(pause - time.Millisecond))); n != 2 {
				t.Fatalf("due before %v: %d", pause, n)
			}
			if n := len(due(epoch.Add(pause))); n != 3 {
				t.Fatalf("due after %v: %d", pause, n)
			}
		}
		if got := due(epoch.Add(time.Hour))[0].Attempts; got != 3 {
			t.Fatalf("attempts %d", got)
		}
	})
	t.Run("confirmed is gone, also when it is confirmed again or fails late", func(t *testing.T) {
		for range 2 {
			commit(t, s, session.ConfirmEnd{ID: a.EndID})
		}
		commit(t, s, session.FailEnd{ID: a.EndID, At: epoch, First: time.Second, Last: time.Second})
		if got := due(epoch.Add(time.Hour)); len(got) != 2 || got[0].ID != b.EndID {
			t.Fatalf("got %+v", got)
		}
		if !isEnded(t, s, session.Lineage{1}) {
			t.Fatal("the tombstone went with the notice")
		}
	})
}
