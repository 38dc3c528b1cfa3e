package control_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// started is a control plane with everybody on new.
func started(t *testing.T, path string, edit func(*control.Config)) *control.Control {
	t.Helper()
	c := openAt(t, path, newClock(), edit)
	must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
	must(c.Ramp(ctx, by("ann"), rollout.Whole))(t)
	return c
}

func governs(c *control.Control, v rollout.Visitor) rollout.System {
	return rollout.Decide(v, c.Snapshot()).System
}

func TestControl_Kill(t *testing.T) {
	visitor, employee := rollout.Visitor{ID: "v"}, rollout.Visitor{ID: "e", Employee: true}
	database := func(t *testing.T) string { return filepath.Join(t.TempDir(), "control.db") }

	t.Run("everybody is on legacy when it answers", func(t *testing.T) {
		c := started(t, database(t), nil)
		k := must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		if governs(c, visitor) != rollout.Legacy || k.Outstanding != 0 || k.Rollout.KillReason != "because" {
			t.Fatalf("%+v", k)
		}
	})
	t.Run("a rehearsal is for employees alone", func(t *testing.T) {
		c := started(t, database(t), nil)
		must(c.Kill(ctx, by("ann"), rollout.KillRehearsal))(t)
		if governs(c, visitor) != rollout.New || governs(c, employee) != rollout.Legacy {
			t.Fatal("wrong people were sent to legacy")
		}
	})
	t.Run("it waits until the edges have obeyed", func(t *testing.T) {
		c := started(t, database(t), nil)
		var seen []uint64
		stop := c.Watch(func(s *rollout.Snapshot) { seen = append(seen, s.Version()) })
		k := must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		if len(seen) != 2 || seen[1] != k.Rollout.Version {
			t.Fatal("the edge was not told before the kill was reported", seen)
		}
		stop()
		must(c.Lift(ctx, by("ann"), true))(t)
		if len(seen) != 2 {
			t.Fatal("told after it stopped watching")
		}
	})
	t.Run("an edge that hangs is reported as outstanding, and the others obey", func(t *testing.T) {
		c := started(t, database(t), func(cfg *control.Config) { cfg.AckTimeout = time.Millisecond })
		release := make(chan struct{})
		first := true
		c.Watch(func(*rollout.Snapshot) {
			if !first {
				<-release
			}
			first = false
		})
		k := must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		close(release)
		if k.Outstanding != 1 || governs(c, visitor) != rollout.Legacy {
			t.Fatalf("%+v", k)
		}
	})
	t.Run("it does not stop when the caller goes away", func(t *testing.T) {
		c := started(t, database(t), nil)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		must(c.Kill(gone, by("ann"), rollout.KillEverybody))(t)
		if governs(c, visitor) != rollout.Legacy {
			t.Fatal("not killed")
		}
	})
}

func TestControl_Kill_with_a_full_disk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	c := started(t, path, nil)
	visitor := rollout.Visitor{ID: "v"}
	if err := c.FillDisk(true); err != nil {
		t.Fatal(err)
	}
	full := fillUp(t, c)

	t.Run("other changes are refused, with a hint, and nothing is lost", func(t *testing.T) {
		if _, hint := fault.Public(full); fault.CodeOf(full) != fault.Unavailable || hint == "" {
			t.Fatal(full)
		}
	})
	version := c.Snapshot().Version()
	t.Run("a kill is in force all the same, and says that it is not saved", func(t *testing.T) {
		k, err := c.Kill(ctx, by("ann"), rollout.KillEverybody)
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || hint == "" {
			t.Fatal(err)
		}
		if governs(c, visitor) != rollout.Legacy || c.Snapshot().Version() != version+1 || k.Rollout.Version != version+1 {
			t.Fatalf("%+v", k)
		}
		if err := c.Beat(ctx); err == nil || governs(c, visitor) != rollout.Legacy {
			t.Fatal("a heartbeat that cannot save it says so and keeps it", err)
		}
		if c.Unsaved() != 1 {
			t.Fatalf("%d kills are said to be unsaved", c.Unsaved())
		}
	})
	t.Run("it is saved as soon as the disk has room", func(t *testing.T) {
		if err := c.FillDisk(false); err != nil {
			t.Fatal(err)
		}
		if err := c.Beat(ctx); err != nil {
			t.Fatal(err)
		}
		if v := c.Snapshot().Version(); v <= version+1 {
			t.Fatalf("version %d was used twice", v)
		}
		if c.Unsaved() != 0 {
			t.Fatal("it is still said to be unsaved")
		}
		last := must(c.Changes(ctx, changelog.Query{Limit: 1}))(t)[0]
		if last.Action != "kill" || last.Author != "ann" || last.Reason != "because" {
			t.Fatalf("%+v", last)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c = openAt(t, path, newClock(), nil); governs(c, visitor) != rollout.Legacy {
			t.Fatal("the kill did not survive the restart")
		}
	})
}

// fillUp writes until the database is full.
func fillUp(t *testing.T, c *control.Control) error {
	t.Helper()
	for range 10_000 {
		if _, _, err := c.IssueMagic(ctx, "qa", time.Hour, by("ann")); err != nil {
			return err
		}
	}
	t.Fatal("the disk never filled")
	return nil
}
