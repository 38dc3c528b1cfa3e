package sessiontest

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

func testOnWrite(t *testing.T, r *rig) {
	ctx := t.Context()
	var told []*session.Session
	r.OnWrite(func(s *session.Session) { told = append(told, s) })
	in := r.exchange(exchange("k1", session.Lineage{1}, "u1"))
	heard := func(t *testing.T, n int) {
		t.Helper()
		if len(told) != n {
			t.Fatalf("told %d times, want %d", len(told), n)
		}
		told = nil
	}
	t.Run("a first record is not told", func(t *testing.T) { heard(t, 0) })
	t.Run("a write is told with its version and the counterpart's key", func(t *testing.T) {
		r.ok(r.AttachCounterpart(ctx, in.Session.ID, "c9", r.clock.Now().Add(time.Hour)))
		p, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("cart", "[77]")})
		r.ok(err)
		if len(told) != 1 || told[0].ID != in.Session.ID || told[0].Version != p.Session.Version || told[0].LegacyKey != "c9" {
			t.Fatalf("told %+v", told)
		}
		told = nil
	})
	t.Run("what leaves the data as it was is not", func(t *testing.T) {
		_, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("cart", "[77]")})
		r.ok(err)
		_, err = r.Rotate(ctx, in.Session.ID)
		r.ok(err)
		r.ok(r.AttachCounterpart(ctx, in.Session.ID, "c9", r.clock.Now().Add(2*time.Hour)))
		heard(t, 0)
	})
	t.Run("nor is a guest's write, or the way back and the end", func(t *testing.T) {
		g := r.guest()
		_, err := r.Patch(ctx, session.Patch{ID: g.Session.ID, Set: values("cart", "[78]")})
		r.ok(err)
		r.ok(r.FinishRestore(ctx, r.claim(in.Session.ID)))
		_, err = r.End(ctx, session.End{ID: in.Session.ID, Reason: "logout"})
		r.ok(err)
		heard(t, 0)
	})
	t.Run("a refused write is not", func(t *testing.T) {
		if _, err := r.Patch(ctx, session.Patch{ID: in.Session.ID, Set: values("cart", "[79]")}); err == nil {
			t.Fatal("an ended session was written")
		}
		heard(t, 0)
	})
	r.OnWrite(nil)
}
