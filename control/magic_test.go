package control_test

import (
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

func TestMagic(t *testing.T) {
	now := newClock()
	c := open(t, now, nil)
	ring := keys(t)
	me, you := [16]byte{1}, [16]byte{2}
	issue := func(t *testing.T) (control.Magic, string) {
		t.Helper()
		m, cookie, err := c.IssueMagic(ctx, "qa", 2*time.Hour, by("ann"))
		if err != nil {
			t.Fatal(err)
		}
		return m, cookie
	}
	governed := func(t *testing.T, cookie string) rollout.System {
		t.Helper()
		m := must(rollout.VerifyMagic(ring, cookie, me, now.Now()))(t)
		return rollout.Decide(rollout.Visitor{ID: "v", Magic: m.ID}, c.Snapshot()).System
	}

	t.Run("an issued cookie opens the new system", func(t *testing.T) {
		m, cookie := issue(t)
		if governed(t, cookie) != rollout.New || !m.ExpiresAt.Equal(now.Now().Add(2*time.Hour)) {
			t.Fatalf("%+v", m)
		}
		last := must(c.Changes(ctx, changelog.Query{Limit: 1}))(t)[0]
		if last.Action != "magic_issue" || last.Subject != "magic "+m.ID.String() || !strings.Contains(last.Detail, "qa") {
			t.Fatalf("%+v", last)
		}
	})
	t.Run("a revoked one does not, at once", func(t *testing.T) {
		m, cookie := issue(t)
		must(c.RevokeMagic(ctx, m.ID, by("bob")))(t)
		if governed(t, cookie) != rollout.Legacy {
			t.Fatal("still open")
		}
		if again := must(c.RevokeMagic(ctx, m.ID, by("bob")))(t); !again.Revoked {
			t.Fatal("revoking twice is no error")
		}
	})
	t.Run("the first browser owns it", func(t *testing.T) {
		m, _ := issue(t)
		for range 2 { // the second time changes nothing
			if err := c.ClaimMagic(ctx, m.ID, me); err != nil {
				t.Fatal(err)
			}
		}
		err := c.ClaimMagic(ctx, m.ID, you)
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Denied || hint == "" {
			t.Fatal(err)
		}
	})
	t.Run("a revoked or unknown one cannot be claimed", func(t *testing.T) {
		m, _ := issue(t)
		must(c.RevokeMagic(ctx, m.ID, by("bob")))(t)
		for _, id := range []rollout.MagicID{m.ID, {99}} {
			if err := c.ClaimMagic(ctx, id, me); fault.CodeOf(err) != fault.NotFound {
				t.Fatal(err)
			}
		}
	})
	t.Run("a life out of bounds is refused", func(t *testing.T) {
		for _, ttl := range []time.Duration{0, -time.Hour, time.Minute - 1, 30*24*time.Hour + 1} {
			_, _, err := c.IssueMagic(ctx, "qa", ttl, by("ann"))
			if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Invalid || hint == "" {
				t.Fatal(ttl, err)
			}
		}
	})
	t.Run("receiver, author and reason are required", func(t *testing.T) {
		for _, call := range []control.Call{{Author: "a"}, {Reason: "r"}} {
			if _, _, err := c.IssueMagic(ctx, "qa", time.Hour, call); fault.CodeOf(err) != fault.Invalid {
				t.Fatal(err)
			}
		}
		if _, _, err := c.IssueMagic(ctx, " ", time.Hour, by("ann")); fault.CodeOf(err) != fault.Invalid {
			t.Fatal(err)
		}
	})
	t.Run("the list shows what lives", func(t *testing.T) {
		if all := must(c.ListMagic(ctx))(t); len(all) != 4 {
			t.Fatalf("%d", len(all))
		}
		now.Move(2 * time.Hour)
		if all := must(c.ListMagic(ctx))(t); len(all) != 0 {
			t.Fatalf("%d expired ones", len(all))
		}
	})
	t.Run("what has expired leaves the snapshot with the next change", func(t *testing.T) {
		issue(t)
		if n := len(c.Snapshot().RevokedMagic()); n != 0 {
			t.Fatalf("%d", n)
		}
	})
}
