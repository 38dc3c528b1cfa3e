package rollout

import (
	"slices"
	"time"
)

// State is where a rollout stands. The kill switch is not a state but an override that every state
// before finished can carry.
type State string

// The states of a rollout.
const (
	Draft     State = "draft"             // never started; its ladder can be changed
	Armed     State = "armed"             // nobody treated: the first stage waits for approval, or it was rolled back
	Running   State = "running"           // at a stage
	Holding   State = "holding"           // at a stage, and nobody should ramp for now
	Awaiting  State = "awaiting_approval" // at a stage; the next one waits for approval
	Finishing State = "finishing"         // everybody is on new; final when FinishAt has passed
	Finished  State = "finished"          // the new system is final
)

// KillScope says whom the kill switch sends to legacy. Empty: nobody.
type KillScope string

// The scopes of the kill switch.
const (
	KillEverybody KillScope = "everybody"
	KillRehearsal KillScope = "rehearsal" // employees alone
)

// NoStage is the index when there is no stage.
const NoStage = -1

// Rollout is one rollout as it stands. It is a value: each transition returns a changed copy, and
// nothing here knows a clock, a store or randomness.
type Rollout struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Epoch counts fresh starts. Within one, Salt, ControlSlice and Segments are fixed and Treatment and
	// Employees only grow.
	Epoch uint64 `json:"epoch"`
	Salt  string `json:"salt"` // of this epoch's buckets
	// Treatment is the share of everybody in [0, t); Employees that of the employees, if they went first.
	Treatment Millionths `json:"treatment"`
	Employees Millionths `json:"employees"`
	// ControlSlice stays on legacy for comparison until treatment is everybody. Its salt is never
	// changed, so the same visitors stay in it over all epochs.
	ControlSlice Millionths `json:"control_slice"`
	ControlSalt  string     `json:"control_salt"`
	Segments     []string   `json:"segments,omitempty"` // that take part; empty: all
	Stages       []Stage    `json:"stages"`
	Stage        int        `json:"stage"`   // the last stage reached; NoStage: none
	Pending      int        `json:"pending"` // the stage that waits for approval; NoStage: none
	PendingBy    string     `json:"pending_by,omitempty"`

	Killed     KillScope `json:"killed,omitempty"`
	KillReason string    `json:"kill_reason,omitempty"`
	FinishAt   time.Time `json:"finish_at,omitzero"` // when finishing becomes finished

	ChangedAt time.Time `json:"changed_at"`
	ChangedBy string    `json:"changed_by"`
	Version   uint64    `json:"version"` // of the snapshot that first carried this state
}

// NewDraft makes a rollout that nobody has started.
func NewDraft(name, controlSalt string, stages []Stage, controlSlice Millionths) (Rollout, error) {
	r := Rollout{Name: name, State: Draft, ControlSalt: controlSalt, Stage: NoStage, Pending: NoStage}
	return r.withSettings(Settings{Stages: stages, ControlSlice: &controlSlice})
}

// Started reports whether anybody can be treated: a stage was reached in this epoch.
func (r *Rollout) Started() bool { return r.Stage != NoStage }

// PendingShare is the share that waits for approval, 0 if none does.
func (r *Rollout) PendingShare() Millionths {
	if r.Pending == NoStage {
		return 0
	}
	return r.Stages[r.Pending].Share
}

// Next is the stage that a ramp without a target goes to, or NoStage.
func (r *Rollout) Next() int {
	if r.Stage+1 >= len(r.Stages) {
		return NoStage
	}
	return r.Stage + 1
}

// kills reports whether the kill switch sends this visitor to legacy.
func (r *Rollout) kills(v *Visitor) bool {
	return r.Killed == KillEverybody || (r.Killed == KillRehearsal && v.Employee)
}

// employeesOnly reports whether the current stage leaves everybody else on legacy.
func (r *Rollout) employeesOnly() bool {
	return r.Started() && r.Treatment == 0
}

func (r Rollout) clone() Rollout {
	r.Stages = slices.Clone(r.Stages)
	r.Segments = slices.Clone(r.Segments)
	return r
}
