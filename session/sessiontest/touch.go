package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

func testTouch(t *testing.T, s session.Store) {
	touch := func(ts ...session.Touch) {
		t.Helper()
		for i := range ts {
			if ts[i].Since.IsZero() {
				ts[i].Since = ts[i].Seen
			}
		}
		if err := s.Touch(t.Context(), ts, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := record(1)
	commit(t, s, session.Insert{Record: r})

	t.Run("touch is max: a slow request does not overwrite a newer time", func(t *testing.T) {
		touch(session.Touch{ID: r.ID, Seen: epoch.Add(time.Hour)})
		touch(session.Touch{ID: r.ID, Seen: epoch.Add(time.Minute)})
		got := head(t, s, r.ID)
		same(t, got.LastSeen, epoch.Add(time.Hour))
		same(t, got.Version, r.Version)
	})
	t.Run("the first use is set once, and only for the secret that was used", func(t *testing.T) {
		touch(session.Touch{ID: r.ID, Seen: epoch, Used: epoch.Add(time.Second), Secret: session.SecretHash{66}})
		got := head(t, s, r.ID)
		same(t, got.First, epoch.Add(time.Second))
		same(t, got.Used, time.Time{})
		touch(session.Touch{ID: r.ID, Seen: epoch, Used: epoch.Add(2 * time.Second), Secret: r.Secret})
		touch(session.Touch{ID: r.ID, Seen: epoch, Used: epoch.Add(3 * time.Second), Secret: r.Secret})
		got = head(t, s, r.ID)
		same(t, got.First, epoch.Add(time.Second))
		same(t, got.Used, epoch.Add(2*time.Second))
	})
	t.Run("a write that was decided before a touch does not undo it", func(t *testing.T) {
		up := next(r) // knows nothing of the touches above
		commit(t, s, session.Update{Record: up})
		got := head(t, s, r.ID)
		same(t, got.LastSeen, epoch.Add(time.Hour))
		same(t, got.Used, epoch.Add(2*time.Second))
		rotated := next(up)
		rotated.Secret = session.SecretHash{5}
		commit(t, s, session.Update{Record: rotated})
		got = head(t, s, r.ID)
		same(t, got.First, epoch.Add(time.Second))
		same(t, got.Used, time.Time{})
	})
	t.Run("the sealed secret goes when its race is over", func(t *testing.T) {
		touch(session.Touch{ID: r.ID, Seen: epoch, Unseal: true})
		if got := head(t, s, r.ID); got.Sealed != nil {
			t.Fatal("still sealed")
		}
	})
	t.Run("a session that had idled out is not brought back", func(t *testing.T) {
		touch(session.Touch{ID: r.ID, Seen: epoch.Add(time.Hour + r.Idle)})
		same(t, head(t, s, r.ID).LastSeen, epoch.Add(time.Hour))
	})
	t.Run("but one that was in use all along, and only now is written, is", func(t *testing.T) {
		touch(session.Touch{ID: r.ID, Since: epoch.Add(2 * time.Hour), Seen: epoch.Add(r.Idle + 2*time.Hour)})
		same(t, head(t, s, r.ID).LastSeen, epoch.Add(r.Idle+2*time.Hour))
	})
	t.Run("neither is one that ended, nor one that is gone", func(t *testing.T) {
		commit(t, s, endLineage(r.Lineage))
		touch(session.Touch{ID: r.ID, Seen: epoch.Add(r.Idle + 3*time.Hour)}, session.Touch{ID: id(99), Seen: epoch})
		got := head(t, s, r.ID)
		same(t, got.LastSeen, epoch.Add(r.Idle+2*time.Hour))
		same(t, got.State, session.StateEnded)
		if head(t, s, id(99)) != nil {
			t.Fatal("a touch made a record")
		}
	})
}

func testKeys(t *testing.T, s session.Store) {
	k := session.Key{Hash: session.KeyHash{1}, Lineage: session.Lineage{1}, Given: true, Keep: epoch.Add(time.Hour), Version: 1}
	find := func(hs ...session.KeyHash) *session.Key { return must[*session.Key](t)(s.Key(t.Context(), hs...)) }
	commit(t, s, session.PutKey{Key: k})

	t.Run("a key is found under any of its hashes", func(t *testing.T) {
		same(t, find(session.KeyHash{2}, session.KeyHash{1}), &k)
		if find(session.KeyHash{2}) != nil {
			t.Fatal("found what is not there")
		}
	})
	t.Run("it is made once and changed at its version only", func(t *testing.T) {
		refusedWith(t, s, session.ErrConflict, session.PutKey{Key: k})
		moved := k
		moved.Moved, moved.Closed, moved.Version = id(3), true, 2
		commit(t, s, session.PutKey{Key: moved})
		same(t, find(k.Hash), &moved)
		refusedWith(t, s, session.ErrConflict, session.PutKey{Key: moved})
	})
	t.Run("its first presentation stays, whatever is written later", func(t *testing.T) {
		for _, d := range []time.Duration{time.Second, time.Minute} {
			if err := s.Touch(t.Context(), nil, []session.KeyTouch{{Hash: k.Hash, Presented: epoch.Add(d)}, {Hash: session.KeyHash{9}, Presented: epoch}}); err != nil {
				t.Fatal(err)
			}
		}
		same(t, find(k.Hash).Presented, epoch.Add(time.Second))
		late := *find(k.Hash)
		late.Presented, late.Version = epoch.Add(time.Hour), 3
		commit(t, s, session.PutKey{Key: late})
		same(t, find(k.Hash).Presented, epoch.Add(time.Second))
	})
}

func testSweep(t *testing.T, s session.Store) {
	sweep := func(now time.Time) (n int) {
		t.Helper()
		for {
			k := must[int](t)(s.Sweep(t.Context(), now, 2))
			if n += k; k == 0 {
				return n
			}
		}
	}
	idle, used, guest, moved := record(1), record(2), record(3), record(4)
	guest.Keep = epoch.Add(48 * time.Hour)
	moved.State = session.StateMoved
	commit(t, s, session.Insert{Record: idle}, session.Insert{Record: used}, session.Insert{Record: guest}, session.Insert{Record: moved})
	if err := s.Touch(t.Context(), []session.Touch{{ID: used.ID, Since: epoch, Seen: epoch.Add(23 * time.Hour)}}, nil); err != nil {
		t.Fatal(err)
	}
	// A store whose engine lets rows expire by itself leaves records to it, and shows in tests of its own that
	// none goes early. What must outlive them is swept there too.
	_, itself := s.(interface{ ExpiresItself() })
	sweeps := !itself
	exists := func(r *session.Record) bool { return head(t, s, r.ID) != nil }

	t.Run("nothing goes before its time", func(t *testing.T) {
		sweep(epoch.Add(24*time.Hour - time.Millisecond))
		if !exists(idle) || !exists(used) || !exists(guest) || !exists(moved) {
			t.Fatal("gone too early")
		}
	})
	t.Run("what idled out goes; what was used, moved, or still refers to a token stays", func(t *testing.T) {
		sweep(epoch.Add(24 * time.Hour))
		if exists(idle) == sweeps || !exists(used) || !exists(guest) || !exists(moved) {
			t.Fatal("the wrong ones went")
		}
		sweep(epoch.Add(48 * time.Hour))
		if exists(used) == sweeps || exists(guest) == sweeps || !exists(moved) {
			t.Fatal("the wrong ones went")
		}
	})
	t.Run("an ended record and its tombstone outlive every credential of the lineage", func(t *testing.T) {
		end := endLineage(moved.Lineage)
		end.Keep = epoch
		commit(t, s, end, session.PutKey{Key: session.Key{Hash: session.KeyHash{1}, Lineage: moved.Lineage, Keep: moved.ExpiresAt, Version: 1}})
		sweep(moved.ExpiresAt.Add(-time.Millisecond))
		if !exists(moved) || !isEnded(t, s, moved.Lineage) || must[*session.Key](t)(s.Key(t.Context(), session.KeyHash{1})) == nil {
			t.Fatal("gone too early")
		}
		sweep(moved.ExpiresAt)
		if exists(moved) || isEnded(t, s, moved.Lineage) || must[*session.Key](t)(s.Key(t.Context(), session.KeyHash{1})) != nil {
			t.Fatal("left behind")
		}
	})
	t.Run("a tombstone that legacy has not confirmed stays", func(t *testing.T) {
		end := endLineage(session.Lineage{5})
		end.Notify = &session.Notice{}
		commit(t, s, end)
		sweep(epoch.Add(1000 * 24 * time.Hour))
		if !isEnded(t, s, session.Lineage{5}) {
			t.Fatal("gone before legacy knew")
		}
	})
	t.Run("a mark goes when no cookie can be older", func(t *testing.T) {
		first := must[session.Marks](t)(s.Marks(t.Context())).Sequence
		commit(t, s, session.EndSubject{Subject: "u9", At: epoch, Keep: epoch})
		commit(t, s, session.EndEverybody{At: epoch})
		sweep(epoch.Add(session.MaxLife - time.Hour))
		if m := must[session.Marks](t)(s.Marks(t.Context())); m.Subjects["u9"] == 0 {
			t.Fatal("gone too early")
		}
		sweep(epoch.Add(session.MaxLife))
		if m := must[session.Marks](t)(s.Marks(t.Context())); m.Subjects["u9"] != 0 || m.Global == 0 || m.Sequence != first+2 {
			t.Fatalf("marks %+v", m)
		}
	})
}
