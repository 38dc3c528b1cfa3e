package sessiontest

import (
	"testing"

	"crossfade.dev/crossfade/session"
)

// testJudge checks what session.Judge promises, on stores that have it. Stores that only one process writes
// need none: their marks are in memory.
func testJudge(t *testing.T, s session.Store) {
	j, ok := s.(session.Judge)
	if !ok {
		return
	}
	judged := func(n byte, subject string) session.Judged {
		t.Helper()
		return must[session.Judged](t)(j.Judged(t.Context(), id(n), subject))
	}
	t.Run("an empty store holds nothing against anybody", func(t *testing.T) {
		got := judged(1, "u1")
		if got.Record != nil || got.Ended || got.Marks.Global != 0 || len(got.Marks.Subjects) != 0 {
			t.Fatalf("got %+v", got)
		}
	})
	guest := record(2)
	guest.Kind, guest.Subject = session.Guest, ""
	other := record(3)
	other.Subject = "u2"
	commit(t, s, session.Insert{Record: record(1)}, session.Insert{Record: guest}, session.Insert{Record: other})
	t.Run("a record comes as Head gives it, whatever subject is guessed", func(t *testing.T) {
		for _, guess := range []string{"", "u1", "u2", "nobody"} {
			same(t, judged(1, guess).Record, head(t, s, id(1)))
		}
	})
	of := commit(t, s, session.EndSubject{Subject: "u2", At: epoch, Keep: epoch}).Mark
	all := commit(t, s, session.EndEverybody{At: epoch}).Mark
	own := commit(t, s, session.EndSubject{
		Subject: "u1", At: epoch, Keep: epoch, Except: id(1), ExceptVersion: 1, ExceptLineage: session.Lineage(id(1)),
	}).Mark
	t.Run("it comes with everybody's mark and its own subject's, not another's", func(t *testing.T) {
		for _, guess := range []string{"", "u1", "u2"} {
			got := judged(1, guess)
			same(t, got.Marks, session.Marks{Sequence: own, Global: all, Subjects: map[string]session.Mark{"u1": own}})
			same(t, got.Record.Born, own)
			got = judged(3, guess)
			same(t, got.Marks.Subjects, map[string]session.Mark{"u2": of})
			same(t, got.Record.State, session.StateEnded)
			got = judged(2, guess)
			same(t, got.Marks.Global, all)
			if len(got.Marks.Subjects) != 0 {
				t.Fatalf("a guest is held against %v", got.Marks.Subjects)
			}
		}
	})
	t.Run("without a record it says whether the guest of that id has ended", func(t *testing.T) {
		commit(t, s, session.EndLineage{Lineage: session.Lineage(id(9)), At: epoch, Keep: epoch})
		for n, ended := range map[byte]bool{8: false, 9: true} {
			got := judged(n, "")
			if got.Record != nil || got.Ended != ended || got.Marks.Global != all || got.Marks.Sequence != own {
				t.Fatalf("%d: got %+v", n, got)
			}
		}
	})
	t.Run("the marks alone", func(t *testing.T) {
		for subject, want := range map[string]session.Mark{"u1": own, "u2": of, "": 0, "nobody": 0} {
			got := must[session.Marks](t)(j.Against(t.Context(), subject))
			if got.Sequence != own || got.Global != all || got.Subjects[subject] != want || len(got.Subjects) > 1 {
				t.Fatalf("%q: got %+v", subject, got)
			}
		}
	})
	t.Run("who is spared is never seen older than the mark", func(t *testing.T) { testSpared(t, s, j, own) })
}

// testSpared reads a record over and over while all others of its subject are ended.
func testSpared(t *testing.T, s session.Store, j session.Judge, born session.Mark) {
	r := record(20)
	r.Subject, r.Born = "spared", born
	commit(t, s, session.Insert{Record: r})
	over := make(chan struct{})
	defer func() { <-over }()
	go func() {
		defer close(over)
		for version := uint64(1); version <= 40; version++ {
			if _, err := s.Commit(t.Context(), session.EndSubject{
				Subject: "spared", At: epoch, Keep: epoch, Except: r.ID, ExceptVersion: version, ExceptLineage: r.Lineage,
			}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for done := false; !done; {
		select {
		case <-over:
			done = true
		default:
		}
		got := must[session.Judged](t)(j.Judged(t.Context(), r.ID, "spared"))
		if against := max(got.Marks.Global, got.Marks.Subjects["spared"]); got.Record.Born < against {
			t.Fatalf("born %d, held against %d", got.Record.Born, against)
		}
	}
}
