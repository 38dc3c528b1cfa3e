package session

import (
	"context"
	"errors"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// EndGroup marks the ends that belong together, so that what legacy has not confirmed of them can be counted.
// It is the beginning of their operations.
type EndGroup [8]byte

// EndIf ends the lineage of a record that a scan gave, in both systems, if it can still come back and match says
// yes to it. The record belongs to EndIf from then on. One that changes meanwhile is read and judged again, so
// nothing ends that does not match at that moment: somebody who logs in anew while a breach is cleaned up stays.
// It reports whether it has ended it.
func (m *Manager) EndIf(ctx context.Context, rec *Record, match func(*Record) bool, reason string, g EndGroup) (bool, error) {
	m.complete(rec)
	for range attempts {
		now := m.now()
		if !m.endable(rec, now) || !match(rec) {
			return false, nil
		}
		op := m.endOp(rec.Lineage, reason, rec.until(), now, false)
		copy(op.Notify.Operation[:], g[:])
		// The update makes the commit fail if the record changes meanwhile.
		_, err := m.commit(ctx, Update{rec.clone()}, op)
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
		if rec, err = m.load(ctx, rec.ID, m.store.Full); err != nil || rec == nil {
			return false, err
		}
	}
	return false, fault.New(fault.Conflict, "the session is changed by too many at once").WithHint("try again")
}

// Endable reports whether an end of this record's lineage would change anything: it is in use here, or what
// became of it can still be presented to legacy. Of a lineage at most one record is.
func (m *Manager) Endable(rec *Record) bool {
	m.complete(rec)
	return m.endable(rec, m.now())
}

func (m *Manager) endable(rec *Record, now time.Time) bool {
	switch {
	case !rec.ViewOf.IsZero() || rec.Born < m.marks.against(rec.Subject):
		return false // a view goes with its session; a mark has ended it already, there too
	case rec.State == StateMoved:
		return rec.Next.IsZero() && rec.until().After(now) // else its successor is what lives
	case rec.State == StateLive || rec.State == StateMoving:
		return !rec.Expired(now) || rec.Counterpart.Expires.After(now) || rec.Claim.Expires.After(now)
	}
	return false
}

// maxCounted bounds what counting the outbox reads.
const maxCounted = 50_000

// OutstandingOf counts the ends of each group that legacy has not confirmed. Beyond some ten thousand it counts the
// oldest alone, and says so.
func (m *Manager) OutstandingOf(ctx context.Context) (_ map[EndGroup]int, more bool, _ error) {
	due, err := m.store.Due(ctx, m.now().Add(MaxLife), maxCounted)
	if err != nil {
		return nil, false, storeTrouble(err, "read outstanding ends")
	}
	out := map[EndGroup]int{}
	for _, e := range due {
		out[EndGroup(e.Operation[:8])]++
	}
	return out, len(due) == maxCounted, nil
}

// IssuedAt is when a session came to be what it is: its beginning, or its last login or step-up. One from
// legacy is as old as its login there; where nobody knows that, it is the zero time, older than everything.
func (r *Record) IssuedAt() time.Time {
	if r.Origin != "" {
		return latest(r.AuthTime, r.Privileged)
	}
	return latest(r.Created, r.Privileged)
}
