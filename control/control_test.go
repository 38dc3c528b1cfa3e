package control_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

func TestOpen(t *testing.T) {
	t.Run("the rollout of sessions is there as a draft", func(t *testing.T) {
		c := open(t, newClock(), nil)
		r := must(c.Rollout(rollout.Sessions))(t)
		if r.State != rollout.Draft || len(r.Stages) != 5 || r.Stages[0].Share != 2_500 || r.ControlSlice != 0 {
			t.Fatalf("%+v", r)
		}
		if d := rollout.Decide(rollout.Visitor{ID: "v"}, c.Snapshot()); d.System != rollout.Legacy {
			t.Fatalf("a draft moves somebody: %+v", d)
		}
	})
	t.Run("a second process on the same database is refused", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "control.db")
		openAt(t, path, newClock(), nil)
		_, err := control.Open(ctx, control.Config{Path: path}, deps(t, newClock()))
		message, hint := fault.Public(err)
		if fault.CodeOf(err) != fault.Precondition || !strings.Contains(message, "another process") || hint == "" {
			t.Fatalf("%v (%s)", err, hint)
		}
	})
	t.Run("a folder that is not there is said", func(t *testing.T) {
		_, err := control.Open(ctx, control.Config{Path: filepath.Join(t.TempDir(), "no", "control.db")}, deps(t, newClock()))
		if _, hint := fault.Public(err); hint == "" {
			t.Fatal(err)
		}
	})
	t.Run("a file that is no database is said, and left as it is", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "control.db")
		junk := []byte(strings.Repeat("not a database ", 500))
		if err := os.WriteFile(path, junk, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := control.Open(ctx, control.Config{Path: path}, deps(t, newClock()))
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || hint == "" {
			t.Fatal(err)
		}
		if after, _ := os.ReadFile(path); !slices.Equal(after, junk) {
			t.Fatal("the file was changed")
		}
	})
}

func TestControl_persists(t *testing.T) {
	path, now := filepath.Join(t.TempDir(), "con trol#?.db"), newClock()
	c := openAt(t, path, now, nil)
	must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
	before := must(c.Ramp(ctx, by("ann"), 33_333))(t)
	version := c.Snapshot().Version()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openAt(t, path, now, nil)
	after := must(c.Rollout(rollout.Sessions))(t)
	if fmt.Sprint(after) != fmt.Sprint(before) || c.Snapshot().Version() != version {
		t.Fatalf("before %+v\nafter  %+v", before, after)
	}
}

func TestControl_changes(t *testing.T) {
	c := open(t, newClock(), nil)
	t.Run("every change makes a newer version with its author", func(t *testing.T) {
		before := c.Snapshot()
		r := must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
		after := c.Snapshot()
		if after.Version() != before.Version()+1 || r.Version != after.Version() || r.ChangedBy != "ann" || r.Epoch != 1 {
			t.Fatalf("%+v", r)
		}
		if old, _ := before.Rollout(rollout.Sessions); old.State != rollout.Draft {
			t.Fatal("the snapshot in a reader's hand changed")
		}
	})
	t.Run("a refusal changes nothing and is not logged", func(t *testing.T) {
		version := c.Snapshot().Version()
		if _, err := c.Ramp(ctx, by("ann"), 1); fault.CodeOf(err) != fault.Precondition {
			t.Fatal(err)
		}
		if c.Snapshot().Version() != version || must(c.Changes(ctx, changelog.Query{Limit: 1}))(t)[0].Version != version {
			t.Fatal("something changed")
		}
	})
	t.Run("author and reason are required, on one line", func(t *testing.T) {
		for _, call := range []control.Call{
			{Rollout: rollout.Sessions, Reason: "r"}, {Rollout: rollout.Sessions, Author: "a"}, {Rollout: rollout.Sessions, Author: " ", Reason: "r"},
			{Rollout: rollout.Sessions, Author: "a\nb", Reason: "r"}, {Rollout: rollout.Sessions, Author: "a", Reason: "\xff"},
			{Rollout: rollout.Sessions, Author: "a", Reason: strings.Repeat("x", 2000)},
		} {
			_, err := c.Ramp(ctx, call, 0)
			if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Invalid || hint == "" {
				t.Errorf("%+v: %v", call, err)
			}
		}
	})
	t.Run("an unknown rollout is answered with those there are", func(t *testing.T) {
		_, err := c.Hold(ctx, control.Call{Rollout: "sesions", Author: "a", Reason: "r"})
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.NotFound || hint != `did you mean "sessions"? list them with "crossfade rollout list"` {
			t.Fatalf("%v (%s)", err, hint)
		}
	})
	t.Run("a lifted kill has a salt of its own, a resumed one the same", func(t *testing.T) {
		before := must(c.Rollout(rollout.Sessions))(t)
		must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		lifted := must(c.Lift(ctx, by("ann"), false))(t)
		must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		resumed := must(c.Lift(ctx, by("ann"), true))(t)
		if lifted.Salt == before.Salt || resumed.Salt != lifted.Salt || resumed.Epoch != before.Epoch+2 {
			t.Fatalf("%s, %s, %s", before.Salt, lifted.Salt, resumed.Salt)
		}
	})
}

func TestControl_Finish(t *testing.T) {
	site := control.Removable(control.Site{LegacyCookie: "sessionid", Bridge: "http://monolith", ToolPaths: []string{"/admin/"}})
	finishing := func(t *testing.T, now *clock, grace time.Duration) *control.Control {
		c := open(t, now, func(cfg *control.Config) { cfg.FinishGrace, cfg.Removable = grace, site })
		must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
		must(c.Ramp(ctx, by("ann"), rollout.Whole))(t)
		return c
	}
	t.Run("a dry run lists and changes nothing", func(t *testing.T) {
		c := finishing(t, newClock(), 0)
		version := c.Snapshot().Version()
		r, removable, err := c.DryFinish(rollout.Sessions)
		if err != nil || r.State != rollout.Finished || !slices.Equal(removable, site) || c.Snapshot().Version() != version {
			t.Fatal(r, removable, err)
		}
	})
	t.Run("it is refused while a kill is in force", func(t *testing.T) {
		c := finishing(t, newClock(), 0)
		must(c.Kill(ctx, by("ann"), rollout.KillEverybody))(t)
		if _, _, err := c.Finish(ctx, by("ann")); fault.CodeOf(err) != fault.Precondition {
			t.Fatal(err)
		}
	})
	t.Run("there is no way back", func(t *testing.T) {
		c := finishing(t, newClock(), 0)
		if r, removable, err := c.Finish(ctx, by("ann")); err != nil || r.State != rollout.Finished || len(removable) == 0 {
			t.Fatal(r, removable, err)
		}
		if _, err := c.Kill(ctx, by("ann"), rollout.KillEverybody); fault.CodeOf(err) != fault.Precondition {
			t.Fatal(err)
		}
		if _, removable, err := c.DryFinish(rollout.Sessions); err != nil || len(removable) == 0 {
			t.Fatal("what can be removed is still told", err)
		}
	})
	t.Run("with a grace it becomes final by itself, with a row in the changelog", func(t *testing.T) {
		now := newClock()
		c := finishing(t, now, time.Hour)
		if r, _, err := c.Finish(ctx, by("ann")); err != nil || r.State != rollout.Finishing {
			t.Fatal(r, err)
		}
		now.Move(time.Hour)
		if err := c.Beat(ctx); err != nil {
			t.Fatal(err)
		}
		if r := must(c.Rollout(rollout.Sessions))(t); r.State != rollout.Finished {
			t.Fatalf("%+v", r)
		}
		if last := must(c.Changes(ctx, changelog.Query{Limit: 1}))(t)[0]; last.Author != control.Self || last.Action != "finish" {
			t.Fatalf("%+v", last)
		}
	})
}

func TestControl_Beat(t *testing.T) {
	now := newClock()
	c := open(t, now, nil)
	version := c.Snapshot().Version()
	now.Move(time.Minute)
	if age := c.Snapshot().Age(now.Now()); age != time.Minute {
		t.Fatalf("age %s without a heartbeat", age)
	}
	if err := c.Beat(ctx); err != nil || c.Snapshot().Age(now.Now()) != 0 || c.Snapshot().Version() != version {
		t.Fatal("a heartbeat confirms the same version", err)
	}
	t.Run("a database that does not answer lets the snapshot grow old", func(t *testing.T) {
		if err := c.BreakDatabase(); err != nil {
			t.Fatal(err)
		}
		now.Move(time.Minute)
		if err := c.Beat(ctx); err == nil || c.Snapshot().Age(now.Now()) != time.Minute {
			t.Fatal("confirmed without a database", err)
		}
	})
}

func TestChangelog(t *testing.T) {
	c := open(t, newClock(), nil)
	must(c.Start(ctx, by("ann"), rollout.Settings{}))(t)
	must(c.Ramp(ctx, by("bob"), 0))(t)
	must(c.Hold(ctx, by("ann")))(t)

	t.Run("newest first, with who, why and what", func(t *testing.T) {
		got := must(c.Changes(ctx, changelog.Query{}))(t)
		var actions []string
		for _, ch := range got {
			actions = append(actions, ch.Action)
		}
		if !slices.Equal(actions, []string{"hold", "ramp", "start", "create"}) {
			t.Fatal(actions)
		}
		want := changelog.Change{ID: 3, At: got[1].At, Author: "bob", Reason: "because", Action: "ramp", Subject: "sessions",
			Detail: "running 0.25% → running 1%", Epoch: 1, Version: 3}
		if got[1] != want || got[1].At.IsZero() {
			t.Fatalf("%+v", got[1])
		}
	})
	t.Run("pages do not shift while rows are appended", func(t *testing.T) {
		first := must(c.Changes(ctx, changelog.Query{Limit: 2}))(t)
		must(c.Ramp(ctx, by("ann"), 0))(t)
		second := must(c.Changes(ctx, changelog.Query{Limit: 2, Before: first[1].ID}))(t)
		if len(second) != 2 || second[0].Action != "start" || second[1].Action != "create" {
			t.Fatalf("%+v", second)
		}
	})
	t.Run("by subject", func(t *testing.T) {
		if got := must(c.Changes(ctx, changelog.Query{Subject: "magic"}))(t); len(got) != 0 {
			t.Fatal(got)
		}
	})
	t.Run("a page out of bounds is refused", func(t *testing.T) {
		for _, n := range []int{-1, changelog.MaxLimit + 1} {
			if _, err := c.Changes(ctx, changelog.Query{Limit: n}); fault.CodeOf(err) != fault.Invalid {
				t.Fatal(n, err)
			}
		}
	})
	t.Run("the database refuses to rewrite it", func(t *testing.T) {
		for _, q := range []string{"DELETE FROM changes", "UPDATE changes SET author = 'x'"} {
			if err := c.Exec(q); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Fatal(q, err)
			}
		}
	})
}
