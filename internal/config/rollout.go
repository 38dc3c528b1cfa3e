package config

import (
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// Rollout is the rollout "sessions" as a new data folder begins with it.
type Rollout struct {
	// Its name in commands and metrics. There is one rollout so far, and its name is sessions.
	Name string `yaml:"name"`
	// The ladder that "crossfade rollout ramp" climbs: growing shares, the last one 100%. A stage is a share,
	// or {share: 25%, approval: true}. Default [0.25%, 1%, 5%, 25%, 100%].
	Stages []Stage `yaml:"stages"`
	// Share of visitors who stay on legacy until the 100 % stage, to compare with. 10% suits a site with many
	// visitors; on a small one it only keeps people from the new system. Default 0%.
	ControlSlice Share `yaml:"control_slice"`
	// Subjects of employees: user ids as the identity platform gives them. A kill is rehearsed on them, and
	// stages for employees treat them alone.
	Staff []string `yaml:"staff"`
}

// Stage is one step of the ladder.
type Stage struct {
	// Share of visitors whom the new system governs, in percent, exact to four decimals.
	Share Share `yaml:"share"`
	// Whether a ramp waits in front of this stage until somebody else than who asked agrees. Default false.
	Approval bool `yaml:"approval"`
	// Whether this stage is for employees alone. Such stages come first. Default false.
	Employees bool `yaml:"employees"`
}

// UnmarshalText reads the short form, a share alone.
func (s *Stage) UnmarshalText(text []byte) error { return s.Share.UnmarshalText(text) }

func (Stage) kind() string { return "shares, or {share, approval, employees}" }

func (r *Rollout) defaults() {
	r.Name = rollout.Sessions
	for _, s := range rollout.DefaultLadder() {
		r.Stages = append(r.Stages, Stage{Share(s.Share), s.Approval, s.Employees})
	}
}

// Ladder is the stages as the rollout plane knows them.
func (r *Rollout) Ladder() []rollout.Stage {
	out := make([]rollout.Stage, len(r.Stages))
	for i, s := range r.Stages {
		out[i] = rollout.Stage{Share: rollout.Millionths(s.Share), Approval: s.Approval, Employees: s.Employees}
	}
	return out
}

func (r *Rollout) validate(k *check) {
	k.oneOf("rollout.name", r.Name, rollout.Sessions)
	if err := rollout.CheckLadder(r.Ladder()); err != nil {
		message, hint := fault.Public(err)
		k.fail("rollout.stages", hint, "%s", message)
	}
	if r.ControlSlice >= Whole/2 {
		k.fail("rollout.control_slice", "1% to 10% is usual", "%s leaves too few to move", r.ControlSlice)
	}
	for i, s := range r.Staff {
		if s == "" {
			k.fail(item("rollout.staff", i), "write the subject that the identity platform gives", "is empty")
		}
	}
}
