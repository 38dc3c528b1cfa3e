package rollout

import "crossfade.dev/crossfade/internal/fault"

// Stage is one step of a ladder.
type Stage struct {
	// Share that is treated from this stage on: of everybody, or of the employees.
	Share Millionths `json:"share"`
	// Approval makes a ramp wait in front of this stage until somebody else agrees.
	Approval bool `json:"approval,omitempty"`
	// Employees limits the stage to employees. They keep their share when the ladder goes on to everybody.
	Employees bool `json:"employees,omitempty"`
}

// MaxStages bounds a ladder: more are a mistake, and every snapshot carries them.
const MaxStages = 32

// DefaultLadder is what a rollout starts with: 0.25, 1, 5, 25 and 100 percent.
func DefaultLadder() []Stage {
	return []Stage{{Share: 2_500}, {Share: 10_000}, {Share: 50_000}, {Share: 250_000}, {Share: Whole}}
}

// CheckLadder refuses a ladder that a rollout could not climb: stages for employees come first, each
// stage is wider than the one before, and the last is everybody.
func CheckLadder(stages []Stage) error {
	const hint = `a ladder is like 0.25, 1, 5, 25, 100 percent; stages for employees alone come first`
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, format, args...).WithHint(hint)
	}
	if n := len(stages); n == 0 || n > MaxStages {
		return bad("a ladder has 1 to %d stages, this one has %d", MaxStages, n)
	}
	if last := stages[len(stages)-1]; last.Employees || last.Share != Whole {
		return bad("the last stage must be 100%% of everybody")
	}
	for i, s := range stages {
		if s.Share == 0 || s.Share > Whole {
			return bad("stage %d has a share of %s, it must be more than 0 and at most 100%%", i+1, s.Share)
		}
		if i == 0 {
			continue
		}
		before := stages[i-1]
		if s.Employees && !before.Employees {
			return bad("stage %d is for employees alone, but stage %d was for everybody", i+1, i)
		}
		if s.Employees == before.Employees && s.Share <= before.Share {
			return bad("stage %d (%s) is not wider than stage %d (%s)", i+1, s.Share, i, before.Share)
		}
	}
	return nil
}
