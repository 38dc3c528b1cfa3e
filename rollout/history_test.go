package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/rollout"
)

// A random history of an operator's steps, with a crowd that visits after each of them and carries its
// sticky decision along.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				slice := rollout.Millionths(rapid.IntRange(0, int(rollout.MaxControlSlice)).Draw(t, "slice"))
				h.try(h.r.Start(rollout.Settings{ControlSlice: &slice}, h.salt(), "ann"))
			},
			"ramp": func(t *rapid.T) {
				to := rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 1_000_100)).Draw(t, "to")
				h.try(h.r.Ramp(rollout.Millionths(to), "ann"))
			},
			"approve":  func(t *rapid.T) { h.try(h.r.Approve(rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "by"))) },
			"hold":     func(t *rapid.T) { h.try(h.r.Hold()) },
			"rollback": func(t *rapid.T) { h.try(h.r.RollBack()) },
			"kill": func(t *rapid.T) {
				h.try(h.r.Kill(rapid.SampledFrom([]rollout.KillScope{rollout.KillEverybody, rollout.KillRehearsal}).Draw(t, "scope"), "x"))
			},
			"lift":   func(t *rapid.T) { h.try(h.r.Lift(h.salt())) },
			"resume": func(t *rapid.T) { h.try(h.r.Lift("")) },
			"finish": func(t *rapid.T) {
				h.try(h.r.Finish(start, time.Duration(rapid.IntRange(0, 1).Draw(t, "grace"))*time.Hour))
			},
			"": h.visits,
		})
	})
}

type history struct {
	r, before rollout.Rollout
	salts     int
	version   uint64
	crowd     []rollout.Visitor
	last      []rollout.Decision
}

func newHistory(t *rapid.T) *history {
	stages := rapid.SampledFrom([][]rollout.Stage{
		rollout.DefaultLadder(),
		{{Share: 500_000, Employees: true}, {Share: rollout.Whole, Employees: true, Approval: true}, {Share: 10_000}, {Share: 400_000, Approval: true}, {Share: rollout.Whole}},
	}).Draw(t, "ladder")
	r, err := rollout.NewDraft(rollout.Sessions, "holdout", stages, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &history{r: r, before: r, version: 1}
	for i := range 40 {
		h.crowd = append(h.crowd, rollout.Visitor{ID: fmt.Sprintf("%032x", i), Employee: i%4 == 0})
	}
	h.last = make([]rollout.Decision, len(h.crowd))
	return h
}

func (h *history) salt() string {
	h.salts++
	return fmt.Sprintf("salt-%d", h.salts)
}

func (h *history) try(next rollout.Rollout, err error) {
	if err == nil {
		h.before, h.r = h.r, next
		h.version++
	}
}

func (h *history) visits(t *rapid.T) {
	h.grows(t)
	s := rollout.NewSnapshot(h.version, start, []rollout.Rollout{h.r}, nil)
	for i := range h.crowd {
		v := &h.crowd[i]
		d := rollout.Decide(*v, s)
		v.Sticky = d.Sticky
		h.neverSentBack(t, v, h.last[i], d)
		h.obeyed(t, v, d)
		h.edgeBehind(t, v, d)
		h.last[i] = d
	}
}

// grows: within an epoch the treated ranges never shrink.
func (h *history) grows(t *rapid.T) {
	rolledBack := h.r.State == rollout.Armed // ends the epoch
	if h.before.Epoch == h.r.Epoch && !rolledBack && (h.r.Treatment < h.before.Treatment || h.r.Employees < h.before.Employees) {
		t.Fatalf("treatment shrank within epoch %d: %s to %s", h.r.Epoch, h.before.Treatment, h.r.Treatment)
	}
	if h.r.Epoch < h.before.Epoch {
		t.Fatal("the epoch went back")
	}
	if h.before.State == rollout.Finished && h.r.State != rollout.Finished {
		t.Fatal("finished was left")
	}
}

func (h *history) neverSentBack(t *rapid.T, v *rollout.Visitor, before, now rollout.Decision) {
	if before.System == rollout.New && now.System == rollout.Legacy && before.Epoch == now.Epoch &&
		now.Reason != rollout.ReasonKill && now.Reason != rollout.ReasonNotStarted { // not started: rolled back
		t.Fatalf("%s was sent back within epoch %d because %s", v.ID, now.Epoch, now.Reason)
	}
	if before.Reason == rollout.ReasonFinished && now.System != rollout.New {
		t.Fatalf("%s was sent back after finish", v.ID)
	}
}

func (h *history) obeyed(t *rapid.T, v *rollout.Visitor, d rollout.Decision) {
	killed := h.r.Killed == rollout.KillEverybody || h.r.Killed == rollout.KillRehearsal && v.Employee
	if killed && d.System != rollout.Legacy {
		t.Fatalf("%s is on new under the kill switch because %s", v.ID, d.Reason)
	}
	if h.r.State == rollout.Running && h.r.Treatment == rollout.Whole && !killed && d.System != rollout.New {
		t.Fatalf("%s is left behind at 100%% because %s", v.ID, d.Reason)
	}
	if v.Employee && h.r.Employees > 0 && d.Arm != 0 {
		t.Fatalf("employee %s is counted in arm %s", v.ID, d.Arm)
	}
}

// edgeBehind: one that has not heard of the last step obeys what was decided under it, and sends
// somebody elsewhere only by what is stronger: its own kill, or its own finish.
func (h *history) edgeBehind(t *rapid.T, v *rollout.Visitor, d rollout.Decision) {
	behind := rollout.NewSnapshot(h.version-1, start, []rollout.Rollout{h.before}, nil)
	old := rollout.Decide(*v, behind)
	if old.System != d.System && old.Reason != rollout.ReasonKill && old.Reason != rollout.ReasonFinished {
		t.Fatalf("an edge behind sends %s from %s to %s because %s", v.ID, d.System, old.System, old.Reason)
	}
}
