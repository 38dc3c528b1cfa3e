package sealed_test

import (
	"errors"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sealed"
	"crossfade.dev/crossfade/session/sessiontest"
)

func TestResealer_AStoreIsSealedRotatedAndOpenedAgainWhileItServes(t *testing.T) {
	inner, _ := open(t)
	clock := sessiontest.NewClock(epoch)
	plain := over(t, inner, sealed.Read, key1)
	const many = 5
	for n := byte(1); n <= many; n++ {
		commit(t, plain, session.Insert{Record: personal(n)})
	}
	commit(t, plain, session.EndLineage{Lineage: session.Lineage{many, 15: many}, Reason: "logout", At: epoch, Keep: epoch.Add(time.Hour)})

	for _, step := range []struct {
		name string
		mode sealed.Mode
		keys []keyring.Secret
		form string
	}{
		{"on", sealed.On, []keyring.Secret{key1}, "sealed under key 1"},
		{"rotated", sealed.On, []keyring.Secret{key2, key1}, "sealed under key 2"},
		{"only the new key is left", sealed.On, []keyring.Secret{key2}, "sealed under key 2"},
		{"undone", sealed.Undo, []keyring.Secret{key2}, "plain"},
	} {
		t.Run(step.name, func(t *testing.T) {
			clock.Advance(25 * time.Hour) // a walk that rests looks again
			s := over(t, inner, step.mode, step.keys...)
			work := sealed.NewResealer(s, "one", clock.Now)
			var at session.Walked
			for more := true; more; {
				// Between the steps everything is readable, and written.
				for n := byte(1); n < many; n++ {
					r := full(t, s, n)
					if r.Subject != "subject-anna" || string(r.Attributes["address"].Value) != `"street-one"` {
						t.Fatalf("got %+v", r)
					}
				}
				r := full(t, s, 1)
				r.Version++
				r.Attributes = nil
				commit(t, s, session.Update{Record: r})
				var err error
				if at, more, err = work.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if at.Aim != step.form || at.Done.IsZero() || at.Failed != 0 {
				t.Fatalf("ended at %+v", at)
			}
			if r := full(t, s, many); r.State != session.StateEnded || r.Subject != "subject-anna" {
				t.Errorf("the tombstone is %+v", r)
			}
			for n := byte(1); n <= many; n++ {
				raw := full(t, inner, n)
				if isSealed := len(raw.Veil) > 0 && raw.Subject != "subject-anna"; isSealed != (step.mode == sealed.On) {
					t.Errorf("record %d is stored as %+v", n, raw)
				}
			}
			if list, err := s.OfSubject(t.Context(), "subject-anna", session.Cursor{}, 10); err != nil || len(list) != many-1 {
				t.Errorf("the subject has %d sessions, %v", len(list), err)
			}
		})
	}
	if sealed.NewResealer(plain, "one", clock.Now) != nil {
		t.Error("reading alone has nothing to do in the background")
	}
}

func TestResealer_GoesOnWhereAProcessDied(t *testing.T) {
	inner, _ := open(t)
	clock := sessiontest.NewClock(epoch)
	plain := over(t, inner, sealed.Read, key1)
	for i := range 450 {
		r := personal(1)
		r.ID = session.ID{1: byte(i >> 8), 2: byte(i), 15: 1}
		r.Lineage = session.Lineage(r.ID)
		commit(t, plain, session.Insert{Record: r})
	}
	s := over(t, inner, sealed.On, key1)
	first, second := sealed.NewResealer(s, "first", clock.Now), sealed.NewResealer(s, "second", clock.Now)
	at, more, err := first.Step(t.Context())
	if err != nil || !more || at.Seen != 200 {
		t.Fatal(at, more, err)
	}
	if _, more, err := second.Step(t.Context()); more || err != nil {
		t.Fatal("two work at once", err)
	}
	clock.Advance(2 * time.Minute) // the first one's lease is over
	if at, more, err = second.Step(t.Context()); err != nil || !more || at.Seen != 400 || at.Changed != 400 {
		t.Fatal(at, more, err)
	}
	for more {
		if at, more, err = second.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if at.Changed != 450 || at.Done.IsZero() {
		t.Fatalf("ended at %+v", at)
	}
}

func TestResealer_AWriterAtTheSameTimeWins(t *testing.T) {
	inner, _ := open(t)
	plain := over(t, inner, sealed.Read, key1)
	commit(t, plain, session.Insert{Record: personal(1)})
	stale := full(t, inner, 1)
	newer := full(t, plain, 1)
	newer.Version++
	newer.Attributes = map[string]session.Attribute{"address": {Value: []byte(`"street-two"`), Version: 2}}
	commit(t, plain, session.Update{Record: newer})
	stale.Version++
	if _, err := inner.Commit(t.Context(), session.Update{Record: stale}); !errors.Is(err, session.ErrConflict) {
		t.Fatal("a rewrite of what was read before a write must not take it back:", err)
	}
	work := sealed.NewResealer(over(t, inner, sealed.On, key1), "one", sessiontest.NewClock(epoch).Now)
	for more := true; more; {
		var err error
		if _, more, err = work.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := full(t, over(t, inner, sealed.On, key1), 1); string(got.Attributes["address"].Value) != `"street-two"` {
		t.Fatalf("got %+v", got)
	}
}
