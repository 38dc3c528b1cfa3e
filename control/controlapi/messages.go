package controlapi

import (
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/rollout"
)

func rolloutMessage(r rollout.Rollout) *controlv1.Rollout {
	out := &controlv1.Rollout{
		Name:                   r.Name,
		State:                  string(r.State),
		Killed:                 r.Killed != "",
		KillScope:              string(r.Killed),
		KillReason:             r.KillReason,
		Epoch:                  r.Epoch,
		TreatmentMillionths:    uint32(r.Treatment),
		EmployeesMillionths:    uint32(r.Employees),
		ControlSliceMillionths: uint32(r.ControlSlice),
		Segments:               r.Segments,
		Stage:                  int32(r.Stage),
		Version:                r.Version,
		Salt:                   r.Salt,
		ChangedAt:              unix(r.ChangedAt),
		ChangedBy:              r.ChangedBy,
		PendingMillionths:      uint32(r.PendingShare()),
		PendingBy:              r.PendingBy,
		FinishAt:               unix(r.FinishAt),
		Next:                   next(r),
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, &controlv1.Stage{Millionths: uint32(s.Share), Approval: s.Approval, Employees: s.Employees})
	}
	return out
}

// settings reads what a start may change. Absent is not empty: see the messages' comments.
func settings(req *controlv1.StartRequest) (rollout.Settings, error) {
	var s rollout.Settings
	for _, stage := range req.Stages {
		s.Stages = append(s.Stages, rollout.Stage{
			Share: rollout.Millionths(stage.GetMillionths()), Approval: stage.GetApproval(), Employees: stage.GetEmployees(),
		})
	}
	if req.ControlSliceMillionths != nil {
		slice := rollout.Millionths(*req.ControlSliceMillionths)
		s.ControlSlice = &slice
	}
	switch {
	case len(req.Segments) == 1 && req.Segments[0] == "*":
		s.Segments = []string{}
	case len(req.Segments) > 0:
		// The rules know segments, but no visitor has one: the rollout would run and treat nobody.
		return s, fault.New(fault.Invalid, "segments cannot be chosen: this version gives no visitor a segment, so nobody would be treated").
			WithHint("leave segments out, and start with a small share")
	}
	return s, nil
}

// next are the commands that make sense now, the likeliest first, except that there is none to
// finish: that is looked at before it is done.
func next(r rollout.Rollout) []string {
	command := func(verb string) string { return "crossfade " + verb + " " + r.Name + " --reason WHY" }
	kill := command("kill")
	switch {
	case r.State == rollout.Finished:
		return []string{"crossfade rollout finish " + r.Name + " --dry-run"}
	case r.Killed != "":
		return []string{command("kill lift"), command("rollout rollback")}
	case r.Pending != rollout.NoStage:
		return []string{command("rollout approve"), command("rollout hold"), kill}
	case r.State == rollout.Draft, r.State == rollout.Armed:
		return []string{command("rollout start")}
	case r.State == rollout.Finishing:
		return []string{command("rollout hold"), kill}
	case r.Treatment == rollout.Whole: // what cannot be taken back is not what to type in a hurry
		return []string{kill, command("rollout rollback"), "crossfade rollout finish " + r.Name + " --dry-run"}
	case r.State == rollout.Holding:
		return []string{command("rollout ramp"), kill, command("rollout rollback")}
	}
	return []string{command("rollout ramp"), command("rollout hold"), kill, command("rollout rollback")}
}

func changeMessage(c changelog.Change) *controlv1.Change {
	return &controlv1.Change{
		Id: c.ID, At: unix(c.At), Author: c.Author, Reason: c.Reason, Action: c.Action,
		Subject: c.Subject, Detail: c.Detail, Epoch: c.Epoch, Version: c.Version,
	}
}

func magicMessage(m control.Magic) *controlv1.Magic {
	return &controlv1.Magic{
		Id: m.ID.String(), For: m.For, IssuedAt: unix(m.IssuedAt), ExpiresAt: unix(m.ExpiresAt),
		Author: m.Author, Reason: m.Reason, Revoked: m.Revoked,
	}
}

// unix is the time in seconds, 0 for none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
