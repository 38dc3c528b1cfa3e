package rollout

import (
	"maps"
	"slices"
	"time"
)

// Snapshot is everything that an edge needs to decide, at one version. It is immutable and safe to
// share; the control plane swaps a newer one in atomically.
type Snapshot struct {
	version  uint64
	madeAt   time.Time
	rollouts []Rollout // a handful: a loop is faster than a map
	revoked  map[MagicID]struct{}
}

// NewSnapshot copies its arguments into a snapshot. madeAt is when the control plane last knew that
// this is its newest state.
func NewSnapshot(version uint64, madeAt time.Time, rollouts []Rollout, revoked []MagicID) *Snapshot {
	s := &Snapshot{version: version, madeAt: madeAt, revoked: make(map[MagicID]struct{}, len(revoked))}
	for _, r := range rollouts {
		s.rollouts = append(s.rollouts, r.clone())
	}
	for _, id := range revoked {
		s.revoked[id] = struct{}{}
	}
	return s
}

// Version grows with every change of any rollout or magic cookie.
func (s *Snapshot) Version() uint64 { return s.version }

// MadeAt is when the control plane last stood behind this snapshot.
func (s *Snapshot) MadeAt() time.Time { return s.madeAt }

// Age is how long the control plane has been silent. Past its timeout an edge hands nothing over.
func (s *Snapshot) Age(now time.Time) time.Duration { return now.Sub(s.madeAt) }

// Refreshed is the same state, confirmed at a later time.
func (s *Snapshot) Refreshed(madeAt time.Time) *Snapshot {
	c := *s
	c.madeAt = madeAt
	return &c
}

// Rollout is a copy of one rollout, for display and for headers.
func (s *Snapshot) Rollout(name string) (Rollout, bool) {
	if r := s.find(name); r != nil {
		return r.clone(), true
	}
	return Rollout{}, false
}

// Rollouts are copies of all, in the order of their names.
func (s *Snapshot) Rollouts() []Rollout {
	out := make([]Rollout, 0, len(s.rollouts))
	for _, r := range s.rollouts {
		out = append(out, r.clone())
	}
	slices.SortFunc(out, func(a, b Rollout) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// RevokedMagic are the magic cookies that count for nothing although their signature holds.
func (s *Snapshot) RevokedMagic() []MagicID { return slices.Collect(maps.Keys(s.revoked)) }

func (s *Snapshot) find(name string) *Rollout {
	if s == nil {
		return nil
	}
	for i := range s.rollouts {
		if s.rollouts[i].Name == name {
			return &s.rollouts[i]
		}
	}
	return nil
}
