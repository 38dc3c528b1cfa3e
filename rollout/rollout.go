// Package rollout decides which system governs a visitor: buckets, stages, cohorts, kill switch and the
// immutable snapshot that carries them to every edge.
//
// Invariant: [Decide] is a pure function of the visitor and the snapshot, in integers; within an epoch
// treatment only grows, so nobody is sent back except by the kill switch. The edge calls Decide on
// entry requests; the control plane makes snapshots.
package rollout

// Sessions is the rollout that governs where a visitor's session lives: the one that edges decide by.
const Sessions = "sessions"

// System is one of the two systems.
type System uint8

// The systems. The zero value is none: not decided.
const (
	Legacy System = iota + 1
	New
)

func (s System) String() string {
	switch s {
	case Legacy:
		return "legacy"
	case New:
		return "new"
	}
	return "none"
}

// Millionths is a share: 1_000_000 is everybody, 2_500 is 0.25 %.
type Millionths uint32

// Whole is everybody.
const Whole Millionths = 1_000_000
