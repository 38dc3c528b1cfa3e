package rollout_test

import (
	"testing"
	"time"

	"crossfade.dev/crossfade/rollout"
)

const salt = "sess-2026:enroll" // user-1 is at 854 519, user-2 at 803 427

// at makes a snapshot of a running rollout at a share, changed further by edit.
func at(t rollout.Millionths, edit func(*rollout.Rollout)) *rollout.Snapshot {
	r := rollout.Rollout{
		Name: rollout.Sessions, State: rollout.Running, Epoch: 3, Salt: salt, ControlSalt: "sess-2026:holdout",
		Treatment: t, Stages: rollout.DefaultLadder(), Pending: rollout.NoStage,
	}
	if edit != nil {
		edit(&r)
	}
	return rollout.NewSnapshot(9, time.Unix(0, 0), []rollout.Rollout{r}, []rollout.MagicID{{9}})
}

func TestDecide(t *testing.T) {
	const (
		onLegacy, onNew = rollout.Legacy, rollout.New
		none            = rollout.System(0)
	)
	user := rollout.Visitor{ID: "user-1"}
	visitor := func(edit func(*rollout.Visitor)) rollout.Visitor {
		v := user
		edit(&v)
		return v
	}
	staff := visitor(func(v *rollout.Visitor) { v.Employee = true })
	magic := visitor(func(v *rollout.Visitor) { v.Magic = rollout.MagicID{1} })
	killed := func(r *rollout.Rollout) { r.Killed = rollout.KillEverybody }
	rehearsal := func(r *rollout.Rollout) { r.Killed = rollout.KillRehearsal }
	draft := func(r *rollout.Rollout) { r.State, r.Stage, r.Epoch = rollout.Draft, rollout.NoStage, 0 }
	slice := func(r *rollout.Rollout) { r.ControlSlice = 367_007 } // user-1's holdout bucket is 367 006
	sticky := func(epoch uint64, s rollout.System) rollout.Visitor {
		return visitor(func(v *rollout.Visitor) { v.Sticky = rollout.Sticky{Epoch: epoch, System: s} })
	}
	staffFirst := func(r *rollout.Rollout) { r.Employees = rollout.Whole }

	for name, c := range map[string]struct {
		v      rollout.Visitor
		s      *rollout.Snapshot
		system rollout.System
		reason rollout.Reason
		arm    rollout.System
	}{
		"a bucket below treatment is new":        {user, at(854_520, nil), onNew, rollout.ReasonBucket, onNew},
		"a bucket at treatment is legacy":        {user, at(854_519, nil), onLegacy, rollout.ReasonBucket, onLegacy},
		"everybody is everybody":                 {user, at(rollout.Whole, nil), onNew, rollout.ReasonBucket, onNew},
		"without a snapshot legacy":              {user, nil, onLegacy, rollout.ReasonUnknown, none},
		"finished beats kill":                    {user, at(0, func(r *rollout.Rollout) { killed(r); r.State = rollout.Finished }), onNew, rollout.ReasonFinished, none},
		"magic beats kill":                       {magic, at(0, killed), onNew, rollout.ReasonMagic, none},
		"magic works before the start":           {magic, at(0, draft), onNew, rollout.ReasonMagic, none},
		"revoked magic is nothing":               {visitor(func(v *rollout.Visitor) { v.Magic = rollout.MagicID{9} }), at(0, draft), onLegacy, rollout.ReasonNotStarted, none},
		"kill beats sticky and 100 %":            {sticky(3, onNew), at(rollout.Whole, killed), onLegacy, rollout.ReasonKill, none},
		"a rehearsal kills employees":            {staff, at(rollout.Whole, rehearsal), onLegacy, rollout.ReasonKill, none},
		"a rehearsal spares everybody else":      {user, at(rollout.Whole, rehearsal), onNew, rollout.ReasonBucket, onNew},
		"not started is legacy":                  {user, at(0, draft), onLegacy, rollout.ReasonNotStarted, none},
		"another segment takes no part":          {user, at(rollout.Whole, func(r *rollout.Rollout) { r.Segments = []string{"gold"} }), onLegacy, rollout.ReasonSegment, none},
		"a listed segment takes part":            {visitor(func(v *rollout.Visitor) { v.Segment = "gold" }), at(rollout.Whole, func(r *rollout.Rollout) { r.Segments = []string{"gold"} }), onNew, rollout.ReasonBucket, onNew},
		"employees first treats employees":       {staff, at(0, staffFirst), onNew, rollout.ReasonCohort, none},
		"employees first leaves others":          {user, at(0, staffFirst), onLegacy, rollout.ReasonCohort, none},
		"employees stay when others follow":      {staff, at(2_500, staffFirst), onNew, rollout.ReasonCohort, none},
		"employees are not held in the slice":    {staff, at(2_500, func(r *rollout.Rollout) { staffFirst(r); slice(r) }), onNew, rollout.ReasonCohort, none},
		"a share of the employees is a share":    {staff, at(2_500, func(r *rollout.Rollout) { r.Employees = 854_519 }), onLegacy, rollout.ReasonBucket, none},
		"the control slice stays legacy":         {user, at(900_000, slice), onLegacy, rollout.ReasonControl, onLegacy},
		"the control slice beats sticky":         {sticky(3, onNew), at(900_000, slice), onLegacy, rollout.ReasonControl, onLegacy},
		"the control slice ends at 100 %":        {user, at(rollout.Whole, slice), onNew, rollout.ReasonBucket, onNew},
		"sticky new stays new":                   {sticky(3, onNew), at(1, nil), onNew, rollout.ReasonSticky, none},
		"sticky new inside treatment is counted": {sticky(3, onNew), at(900_000, nil), onNew, rollout.ReasonSticky, onNew},
		"sticky legacy is overtaken":             {sticky(3, onLegacy), at(900_000, nil), onNew, rollout.ReasonBucket, onNew},
		"sticky of an old epoch is nothing":      {sticky(2, onNew), at(1, nil), onLegacy, rollout.ReasonBucket, onLegacy},
		"an edge behind obeys a newer record":    {sticky(4, onLegacy), at(rollout.Whole, nil), onLegacy, rollout.ReasonNewer, none},
		"an edge behind that knows no start":     {sticky(4, onNew), at(0, draft), onNew, rollout.ReasonNewer, none},
		"an edge behind still obeys its kill":    {sticky(4, onNew), at(rollout.Whole, killed), onLegacy, rollout.ReasonKill, none},
		"nobody without an id is treated":        {rollout.Visitor{}, at(rollout.Whole, nil), onLegacy, rollout.ReasonNoUnit, none},
	} {
		t.Run(name, func(t *testing.T) {
			d := rollout.Decide(c.v, c.s)
			if d.System != c.system || d.Reason != c.reason || d.Arm != c.arm {
				t.Fatalf("got %s because %s, arm %s; want %s because %s, arm %s", d.System, d.Reason, d.Arm, c.system, c.reason, c.arm)
			}
			if c.s != nil && d.Version != 9 {
				t.Fatalf("decided under version %d, want 9", d.Version)
			}
		})
	}
}

func TestDecide_remembers(t *testing.T) {
	before := rollout.Sticky{Epoch: 2, System: rollout.New, Version: 4}
	v := rollout.Visitor{ID: "user-1", Sticky: before}
	recorded := rollout.Sticky{Epoch: 3, System: rollout.Legacy, Version: 9}
	t.Run("an assignment, with the version that made it", func(t *testing.T) {
		if d := rollout.Decide(v, at(1, nil)); d.Sticky != recorded {
			t.Fatalf("remembers %v", d.Sticky)
		}
	})
	t.Run("a kill, so that an edge that has not heard of it obeys", func(t *testing.T) {
		if d := rollout.Decide(v, at(1, func(r *rollout.Rollout) { r.Killed = rollout.KillEverybody })); d.Sticky != recorded {
			t.Fatalf("remembers %v", d.Sticky)
		}
	})
	t.Run("nothing of a magic visit, so that its end undoes it", func(t *testing.T) {
		v := v
		v.Magic = rollout.MagicID{1}
		if d := rollout.Decide(v, at(1, nil)); d.Sticky != before {
			t.Fatalf("remembers %v", d.Sticky)
		}
	})
	t.Run("the record of a newer edge as it is", func(t *testing.T) {
		v := rollout.Visitor{ID: "user-1", Sticky: rollout.Sticky{Epoch: 3, System: rollout.New, Version: 10}}
		if d := rollout.Decide(v, at(1, nil)); d.Sticky != v.Sticky || d.Reason != rollout.ReasonNewer {
			t.Fatalf("%+v", d)
		}
	})
}

func TestDecide_allocates_nothing(t *testing.T) {
	s := at(900_000, func(r *rollout.Rollout) { r.ControlSlice = 100_000 })
	v := rollout.Visitor{ID: "0123456789abcdef0123456789abcdef", Magic: rollout.MagicID{9}}
	if n := testing.AllocsPerRun(100, func() { rollout.Decide(v, s) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestSnapshot_is_immutable(t *testing.T) {
	s := at(1, nil)
	r, _ := s.Rollout(rollout.Sessions)
	r.Stages[0].Share = 7
	if again, _ := s.Rollout(rollout.Sessions); again.Stages[0].Share == 7 {
		t.Fatal("a caller changed the snapshot")
	}
	later := s.Refreshed(time.Unix(60, 0))
	if later.Version() != s.Version() || later.Age(time.Unix(61, 0)) != time.Second || s.Age(time.Unix(61, 0)) != 61*time.Second {
		t.Fatal("a refresh changes the time alone, and only in the copy")
	}
}

func BenchmarkDecide(b *testing.B) {
	s := at(250_000, func(r *rollout.Rollout) { r.ControlSlice = 100_000 })
	v := rollout.Visitor{ID: "0123456789abcdef0123456789abcdef", Sticky: rollout.Sticky{Epoch: 3, System: rollout.Legacy}}
	b.ReportAllocs()
	for b.Loop() {
		rollout.Decide(v, s)
	}
}
