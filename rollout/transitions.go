package rollout

import (
	"slices"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Settings are what a start may change while nobody is treated. Nil: keep what there is.
type Settings struct {
	Stages       []Stage
	ControlSlice *Millionths
	Segments     []string // empty but not nil: all take part
}

// MaxControlSlice leaves at least half of the visitors to be treated.
const MaxControlSlice = Whole / 2

func (r Rollout) withSettings(s Settings) (Rollout, error) {
	if len(s.Stages) > 0 {
		if err := CheckLadder(s.Stages); err != nil {
			return r, err
		}
		r.Stages = slices.Clone(s.Stages)
	}
	if s.ControlSlice != nil {
		if *s.ControlSlice > MaxControlSlice {
			return r, fault.New(fault.Invalid, "a control slice of %s is more than %s", *s.ControlSlice, MaxControlSlice).
				WithHint("10%% is usual; 0 keeps no slice")
		}
		r.ControlSlice = *s.ControlSlice
	}
	if s.Segments != nil {
		r.Segments = slices.Clone(s.Segments)
	}
	return r, nil
}

// Start opens an epoch with a fresh salt at the first stage; if that stage needs approval, the rollout
// is armed and waits for it. It also starts one again that was rolled back.
func (r Rollout) Start(s Settings, salt, by string) (Rollout, error) {
	switch {
	case r.State == Finished:
		return r, r.noWayBack()
	case r.State != Draft && r.State != Armed:
		return r, r.refuse("is %s already", r.State).WithHint("widen it with: crossfade rollout ramp %s --reason WHY", r.Name)
	case r.Killed != "":
		return r, r.killed()
	case r.Pending != NoStage:
		return r, r.awaits()
	}
	next, err := r.clone().withSettings(s)
	if err != nil {
		return r, err
	}
	next.Epoch++
	next.Salt = salt
	return next.enter(0, by), nil
}

// Ramp widens treatment to a share of everybody, or with 0 to the next stage of the ladder. It never
// narrows, and it neither enters nor passes a stage that needs approval: entering one waits for it.
func (r Rollout) Ramp(to Millionths, by string) (Rollout, error) {
	if err := r.canRamp(); err != nil {
		return r, err
	}
	if to == 0 {
		next := r.Next()
		if next == NoStage {
			return r, r.refuse("is at 100%% already").WithHint("make it final with: crossfade rollout finish %s --reason WHY", r.Name)
		}
		return r.clone().enter(next, by), nil
	}
	switch {
	case to > Whole:
		return r, fault.New(fault.Invalid, "%s is more than 100%%", to).WithHint("shares go from 0 to 100 percent")
	case to == r.Treatment:
		return r, r.refuse("is at %s already", to).WithHint("without a share, a ramp goes to the next stage")
	case to < r.Treatment:
		return r, r.refuse("is at %s, and within an epoch treatment never goes down to %s", r.Treatment, to).
			WithHint("send everybody back with: crossfade kill %s --reason WHY, or start afresh with: crossfade rollout rollback %s --reason WHY", r.Name, r.Name)
	}
	return r.rampTo(to, by)
}

func (r Rollout) rampTo(to Millionths, by string) (Rollout, error) {
	reached := r.Stage
	for i := r.Stage + 1; i < len(r.Stages); i++ {
		s := r.Stages[i]
		if !s.Employees && s.Share > to {
			break
		}
		if s.Approval && !s.Employees && s.Share == to {
			return r.clone().enter(i, by), nil // waits there
		}
		if s.Approval {
			return r, r.refuse("cannot go to %s: stage %d (%s) on the way needs approval", to, i+1, s.Share).
				WithHint("ramp to that stage and have somebody else approve it: crossfade rollout approve %s --reason WHY", r.Name)
		}
		reached = i
	}
	next := r.clone()
	next.State, next.Treatment, next.Stage = Running, to, reached
	return next, nil
}

// enter goes to a stage, or waits in front of it.
func (r Rollout) enter(stage int, by string) Rollout {
	if r.Stages[stage].Approval {
		r.Pending, r.PendingBy = stage, by
		r.State = Awaiting
		if !r.Started() {
			r.State = Armed
		}
		return r
	}
	return r.reach(stage)
}

func (r Rollout) reach(stage int) Rollout {
	s := r.Stages[stage]
	if s.Employees {
		r.Employees = max(r.Employees, s.Share)
	} else {
		r.Treatment = max(r.Treatment, s.Share)
	}
	r.State, r.Stage = Running, stage
	r.Pending, r.PendingBy = NoStage, ""
	return r
}

func (r Rollout) canRamp() error {
	switch {
	case r.State == Finished:
		return r.noWayBack()
	case r.Killed != "":
		return r.killed()
	case r.Pending != NoStage:
		return r.awaits()
	case r.State == Running || r.State == Holding:
		return nil
	case r.State == Finishing:
		return r.refuse("is finishing: everybody is on the new system").
			WithHint("see: crossfade rollout show %s", r.Name)
	}
	return r.refuse("is not started").WithHint("start it with: crossfade rollout start %s --reason WHY", r.Name)
}

// Approve enters the stage that waits. It takes another person than the one who asked.
func (r Rollout) Approve(by string) (Rollout, error) {
	switch {
	case r.Pending == NoStage:
		return r, r.refuse("has nothing that awaits approval").WithHint("see: crossfade rollout show %s", r.Name)
	case r.Killed != "":
		return r, r.killed()
	case by == r.PendingBy:
		return r, fault.New(fault.Denied, "%s asked for %s and cannot approve it too", by, r.PendingShare()).
			WithHint("have somebody else run: crossfade rollout approve %s --reason WHY", r.Name)
	}
	return r.clone().reach(r.Pending), nil
}

// Hold stops ramps until the next one, and withdraws what awaits approval.
func (r Rollout) Hold() (Rollout, error) {
	switch {
	case r.State == Finished:
		return r, r.noWayBack()
	case r.State == Holding:
		return r, r.refuse("is on hold already").WithHint("go on with: crossfade rollout ramp %s --reason WHY", r.Name)
	case !r.Started() && r.Pending == NoStage:
		return r, r.refuse("is not started: there is nothing to hold").WithHint("start it with: crossfade rollout start %s --reason WHY", r.Name)
	}
	next := r.clone()
	next.Pending, next.PendingBy, next.FinishAt = NoStage, "", time.Time{}
	next.State = Holding
	if !r.Started() {
		next.State = Armed
	}
	return next, nil
}

// RollBack ends the epoch with nobody treated. The next start opens a new one, with other visitors.
func (r Rollout) RollBack() (Rollout, error) {
	switch {
	case r.State == Finished:
		return r, r.noWayBack()
	case r.State == Draft || (r.State == Armed && r.Pending == NoStage):
		return r, r.refuse("has nobody to send back: it is %s", r.State).
			WithHint("start it with: crossfade rollout start %s --reason WHY", r.Name)
	}
	next := r.clone()
	next.State, next.Stage = Armed, NoStage
	next.Treatment, next.Employees = 0, 0
	next.Pending, next.PendingBy, next.FinishAt = NoStage, "", time.Time{}
	return next, nil
}
