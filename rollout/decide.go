package rollout

import "slices"

// Visitor is what a decision may depend on. Everything in it was verified by the caller.
type Visitor struct {
	// ID is the unit of the buckets: the visitor id as 32 hex digits for sessions.
	ID string
	// The facts that cohorts need, sealed into the visitor cookie once the subject is known.
	Employee bool
	Segment  string
	// Sticky is what the visitor cookie remembers of the last decision; zero: nothing.
	Sticky Sticky
	// Magic is the id of a magic cookie that [VerifyMagic] accepted; zero: none.
	Magic MagicID
}

// Sticky is a decision that a visitor cookie remembers. The edge seals all of it.
type Sticky struct {
	Epoch   uint64
	System  System
	Version uint64 // of the snapshot that decided
}

// newer reports whether an edge that knows more than this snapshot decided.
func (s Sticky) newer(epoch, version uint64) bool {
	return s.System != 0 && (s.Epoch > epoch || s.Version > version)
}

// Reason says which rule decided. It is shown to operators and counted, never parsed.
type Reason string

// The reasons, in the order in which the rules apply.
const (
	ReasonUnknown    Reason = "unknown"     // no snapshot, or no such rollout
	ReasonFinished   Reason = "finished"    // the new system is final
	ReasonMagic      Reason = "magic"       // a magic cookie
	ReasonKill       Reason = "kill"        // the kill switch
	ReasonNewer      Reason = "newer"       // decided under a newer snapshot, which this edge does not have yet
	ReasonNotStarted Reason = "not_started" // no stage was reached in this epoch
	ReasonSegment    Reason = "segment"     // the visitor's segment does not take part
	ReasonCohort     Reason = "cohort"      // employees first: one of them is treated, others are not yet
	ReasonNoUnit     Reason = "no_unit"     // a visitor without an id has no bucket
	ReasonControl    Reason = "control"     // in the stable control slice
	ReasonSticky     Reason = "sticky"      // new before in this epoch
	ReasonBucket     Reason = "bucket"      // the bucket against the treated share
)

// Decision is which system governs a visitor, and why.
type Decision struct {
	System  System
	Reason  Reason
	Arm     System // of the comparison; none: excluded from statistics
	Epoch   uint64
	Version uint64 // of the snapshot that decided
	// Sticky is what the visitor cookie should remember from now on. A magic visit must leave no trace and
	// a record of a newer edge must stay, so these hand back what was remembered before.
	Sticky Sticky
}

// Decide says which system governs the visitor's session. It allocates nothing and takes no lock.
func Decide(v Visitor, s *Snapshot) Decision { return s.Decide(Sessions, v) }

// Decide says which system governs the visitor in one rollout: the first rule that applies. The order
// is argued in this package's DESIGN.md. A nil snapshot and an unknown rollout mean legacy.
func (s *Snapshot) Decide(name string, v Visitor) Decision {
	r := s.find(name)
	if r == nil {
		return Decision{System: Legacy, Reason: ReasonUnknown, Sticky: v.Sticky}
	}
	d := Decision{Epoch: r.Epoch, Version: s.version}
	if !d.override(r, &v, s.magic(v.Magic)) && !d.gates(r, &v) {
		d.assign(r, &v)
	}
	switch d.Reason {
	case ReasonMagic, ReasonNewer, ReasonNoUnit:
		d.Sticky = v.Sticky
	default:
		d.Sticky = Sticky{Epoch: d.Epoch, System: d.System, Version: d.Version}
	}
	return d
}

func (s *Snapshot) magic(id MagicID) bool {
	if id.IsZero() {
		return false
	}
	_, revoked := s.revoked[id]
	return !revoked
}

// override applies the rules that ask neither bucket nor cohort. None of them assigns by chance, so
// none is counted in an arm.
func (d *Decision) override(r *Rollout, v *Visitor, magic bool) bool {
	switch {
	case r.State == Finished:
		d.System, d.Reason = New, ReasonFinished
	case magic:
		d.System, d.Reason = New, ReasonMagic
	case r.kills(v):
		d.System, d.Reason = Legacy, ReasonKill
	case v.Sticky.newer(r.Epoch, d.Version):
		d.System, d.Reason = v.Sticky.System, ReasonNewer
	case !r.Started():
		d.System, d.Reason = Legacy, ReasonNotStarted
	default:
		return false
	}
	return true
}

// gates keeps out who does not take part, and lets employees in who go first. Both are excluded from
// statistics: neither was assigned by chance.
func (d *Decision) gates(r *Rollout, v *Visitor) bool {
	switch {
	case len(r.Segments) > 0 && !slices.Contains(r.Segments, v.Segment):
		d.System, d.Reason = Legacy, ReasonSegment
	case r.employeesOnly() && !v.Employee:
		d.System, d.Reason = Legacy, ReasonCohort
	case v.ID == "":
		d.System, d.Reason = Legacy, ReasonNoUnit
	case v.Employee && within(r.Salt, v.ID, r.Employees):
		d.System, d.Reason = New, ReasonCohort
	default:
		return false
	}
	return true
}

// assign is the experiment proper: control slice, sticky, bucket.
func (d *Decision) assign(r *Rollout, v *Visitor) {
	switch treated := within(r.Salt, v.ID, r.Treatment); {
	case r.Treatment < Whole && within(r.ControlSalt, v.ID, r.ControlSlice):
		d.System, d.Reason, d.Arm = Legacy, ReasonControl, Legacy
	case v.Sticky.Epoch == r.Epoch && v.Sticky.System == New:
		d.System, d.Reason = New, ReasonSticky
		if treated { // otherwise treated by a wider snapshot or as an employee: not this stage's chance
			d.Arm = New
		}
	case treated:
		d.System, d.Reason, d.Arm = New, ReasonBucket, New
	default:
		d.System, d.Reason, d.Arm = Legacy, ReasonBucket, Legacy
	}
	if v.Employee && r.Employees > 0 {
		d.Arm = 0 // employees went first, so they are no sample of everybody
	}
}

// within reports whether a unit's bucket lies in [0, share). It hashes only when the answer is open;
// a salt that cannot be used treats nobody.
func within(salt, unit string, share Millionths) bool {
	if share == 0 || share >= Whole {
		return share >= Whole
	}
	bucket, err := Bucket(salt, unit)
	return err == nil && bucket < share
}
