package rollout

import (
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Kill sends everybody, or for a rehearsal the employees, to legacy at once. It is legal in every
// state before finished, needs nobody else, and may be repeated: a second kill is no error in an
// emergency. What was finishing is held, so that a lifted kill does not finish by itself.
func (r Rollout) Kill(scope KillScope, reason string) (Rollout, error) {
	switch {
	case r.State == Finished:
		return r, r.noWayBack()
	case scope != KillEverybody && scope != KillRehearsal:
		return r, fault.New(fault.Invalid, "no such kill scope %q", scope).WithHint("it is everybody or rehearsal")
	case scope == KillRehearsal && r.Killed == KillEverybody:
		return r, r.refuse("is killed for everybody: a rehearsal would let visitors back").
			WithHint("lift the kill first: crossfade kill lift %s --reason WHY", r.Name)
	}
	next := r.clone()
	next.Killed, next.KillReason = scope, reason
	if r.State == Finishing && scope == KillEverybody {
		next.State, next.FinishAt = Holding, time.Time{}
	}
	return next, nil
}

// Lift ends a kill. The stage stays, in a new epoch: with the salt given other visitors are treated,
// with an empty one (resume) the same again. A rehearsal interrupted nobody but employees, so lifting
// it keeps the epoch: a new salt would send treated visitors back for an exercise.
func (r Rollout) Lift(salt string) (Rollout, error) {
	if r.Killed == "" {
		return r, r.refuse("is not killed").WithHint("see: crossfade rollout show %s", r.Name)
	}
	next := r.clone()
	next.Killed, next.KillReason = "", ""
	if r.Killed == KillRehearsal || r.Epoch == 0 { // killed before its first epoch: there is none to leave
		return next, nil
	}
	next.Epoch++
	if salt != "" {
		next.Salt = salt
	}
	return next, nil
}

// Finish makes the new system final: at once with a zero grace, else when the grace has passed and
// [Rollout.Settle] finds it. Everybody must be treated, and no kill be in force.
func (r Rollout) Finish(now time.Time, grace time.Duration) (Rollout, error) {
	switch {
	case r.State == Finished:
		return r, r.refuse("is finished already").WithHint("see what can be removed with: crossfade rollout finish %s --dry-run", r.Name)
	case r.Killed != "":
		return r, r.killed()
	case r.State == Finishing:
		return r, r.refuse("is finishing already, final at %s", r.FinishAt.UTC().Format(time.RFC3339)).
			WithHint("until then it can be taken back: crossfade rollout hold %s --reason WHY", r.Name)
	case r.Treatment != Whole:
		return r, r.refuse("treats %s: finishing would move everybody else unwatched", r.Treatment).
			WithHint("ramp to 100%% first: crossfade rollout ramp %s --reason WHY", r.Name)
	}
	next := r.clone()
	next.State, next.FinishAt = Finishing, now.Add(grace)
	settled, _ := next.Settle(now)
	return settled, nil
}

// Settle turns finishing into finished once its time has come, and reports whether it did.
func (r Rollout) Settle(now time.Time) (Rollout, bool) {
	if r.State != Finishing || now.Before(r.FinishAt) || r.Killed != "" {
		return r, false
	}
	r.State = Finished
	return r, true
}

func (r *Rollout) refuse(format string, args ...any) *fault.Error {
	return fault.New(fault.Precondition, "rollout %q "+format, append([]any{r.Name}, args...)...)
}

func (r *Rollout) noWayBack() error {
	return r.refuse("is finished: there is no way back").
		WithHint("see what can be removed with: crossfade rollout finish %s --dry-run", r.Name)
}

func (r *Rollout) killed() error {
	return r.refuse("is killed (%s): %s", r.Killed, r.KillReason).
		WithHint("lift the kill first: crossfade kill lift %s --reason WHY", r.Name)
}

func (r *Rollout) awaits() error {
	return r.refuse("awaits approval for %s, asked for by %s", r.PendingShare(), r.PendingBy).
		WithHint("somebody else approves it with: crossfade rollout approve %s --reason WHY; withdraw it with: crossfade rollout hold %s --reason WHY", r.Name, r.Name)
}
