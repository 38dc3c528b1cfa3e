package config

// Rollout is the rollout as a new data folder begins with it.
type Rollout struct {
	// Its name in commands and metrics. Default sessions.
	Name string `yaml:"name"`
	// The ladder that "crossfade rollout ramp" climbs: growing shares, the last one 100%. A stage is a share,
	// or {share: 25%, approval: true}. Default [0.25%, 1%, 5%, 25%, 100%].
	Stages []Stage `yaml:"stages"`
	// Share of visitors who stay on legacy until the 100 % stage, to compare with. Default 0%.
	ControlSlice Share `yaml:"control_slice"`
	// Subjects of employees. They are who a kill is rehearsed on.
	Staff []string `yaml:"staff"`
}

// Stage is one step of the ladder.
type Stage struct {
	// Share of visitors whom the new system governs, in percent, exact to four decimals.
	Share Share `yaml:"share"`
	// Whether somebody else than who asked must approve before the ladder goes past this stage. Default
	// false.
	Approval bool `yaml:"approval"`
}

// UnmarshalText reads the short form, a share alone.
func (s *Stage) UnmarshalText(text []byte) error { return s.Share.UnmarshalText(text) }

func (s *Stage) hint() string { return s.Share.hint() }

func (Stage) kind() string { return "share, or {share, approval}" }

func (r *Rollout) defaults() {
	r.Name = "sessions"
	for _, share := range []Share{2_500, 10_000, 50_000, 250_000, Whole} {
		r.Stages = append(r.Stages, Stage{Share: share})
	}
}

func (r *Rollout) validate(k *check) {
	if !plainName(r.Name) {
		k.fail("rollout.name", "use small letters, digits and dashes", "%q is not a name", r.Name)
	}
	if len(r.Stages) == 0 {
		k.fail("rollout.stages", "write [1%, 100%] for the shortest one that can be watched", "needs at least one stage")
		return
	}
	last := Share(0)
	for i, s := range r.Stages {
		if s.Share <= last {
			k.fail(item("rollout.stages", i), "treatment only grows within an epoch", "%s does not widen %s", s.Share, last)
		}
		last = s.Share
	}
	if last != Whole {
		k.fail("rollout.stages", "add 100% as the last stage", "end at %s: the migration could never finish", last)
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
