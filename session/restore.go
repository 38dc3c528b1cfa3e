package session

import (
	"context"

	"crossfade.dev/crossfade/internal/fault"
)

// ClaimRestore begins the way of a live session back to legacy: in one conditional write it becomes
// moving, under a legacy key that is chosen here. A session that is moving already answers the same claim,
// so anyone may complete it; one that was restored and whose token is still open answers Done.
func (m *Manager) ClaimRestore(ctx context.Context, id ID) (Claim, error) {
	defer m.lock(id)()
	return retry(ctx, func() (Claim, error) { return m.claimOnce(ctx, id) })
}

func (m *Manager) claimOnce(ctx context.Context, id ID) (Claim, error) {
	rec, err := m.load(ctx, id, m.readFull)
	if err != nil {
		return Claim{}, err
	}
	if rec == nil || !rec.ViewOf.IsZero() {
		return Claim{}, errNoSession(id)
	}
	worth, err := m.worth(ctx, rec, m.now())
	switch {
	case err != nil:
		return Claim{}, err
	case worth == WorthMoving:
		return claimOf(rec), nil
	case worth == WorthMoved && rec.Next.IsZero():
		c := claimOf(rec)
		c.Done = true
		return c, nil
	}
	if err := m.writable(ctx, rec); err != nil {
		return Claim{}, err
	}
	next := rec.clone()
	next.State = StateMoving
	m.random(next.Operation[:])
	next.Claim = m.legacyRef(m.newLegacyKey(), rec.ExpiresAt)
	m.exposeLegacy(next)
	row := Key{Hash: next.Claim.Hash, Lineage: rec.Lineage, Given: true, Keep: rec.until(), Version: 1}
	if _, err := m.commit(ctx, Update{next}, PutKey{row}); err != nil {
		return Claim{}, err
	}
	next.Attributes = rec.Attributes
	return claimOf(next), nil
}

func claimOf(r *Record) Claim {
	return Claim{Operation: r.Operation, Session: &r.Session, Key: r.LegacyKey, Attributes: r.Attributes}
}

// FinishRestore records that legacy has the session: moving becomes moved. Repeated it is no error. If the
// session ended meanwhile it is refused (failed_precondition): the lineage has a tombstone, which reaches
// legacy through the outbox.
func (m *Manager) FinishRestore(ctx context.Context, c Claim) error {
	return m.settleClaim(ctx, c, StateMoved)
}

// ReleaseRestore gives a claimed session back: moving becomes live. Only for who knows for certain that
// legacy has not got it.
func (m *Manager) ReleaseRestore(ctx context.Context, c Claim) error {
	return m.settleClaim(ctx, c, StateLive)
}

func (m *Manager) settleClaim(ctx context.Context, c Claim, to State) error {
	if c.Session == nil {
		return fault.New(fault.Invalid, "the claim names no session")
	}
	id := c.Session.ID
	defer m.lock(id)()
	_, err := retry(ctx, func() (struct{}, error) { return struct{}{}, m.settleOnce(ctx, id, c.Operation, to) })
	return err
}

func (m *Manager) settleOnce(ctx context.Context, id ID, operation [16]byte, to State) error {
	rec, err := m.load(ctx, id, m.readHead)
	switch {
	case err != nil:
		return err
	case rec == nil:
		return errNoSession(id)
	case rec.State == StateEnded:
		return errLineageEnded()
	case rec.State == to && (to == StateLive || rec.Operation == operation && rec.Next.IsZero()):
		return nil
	case rec.State != StateMoving || rec.Operation != operation:
		return fault.New(fault.Precondition, "session %s is %s, not under this claim", id, rec.State).
			WithHint("resolve the token again and plan anew")
	}
	next := rec.clone()
	next.State = to
	var ops []Op
	if to == StateMoved {
		next.Attributes = map[string]Attribute{} // legacy has them now
	} else {
		if ops, err = m.closeKey(ctx, rec.Claim.Hash); err != nil {
			return err
		}
		next.Claim, next.Operation = LegacyRef{}, [16]byte{}
		m.exposeLegacy(next)
	}
	if _, err = m.commit(ctx, append([]Op{Update{next}}, ops...)...); err != nil {
		return err
	}
	m.happened(ctx, map[State]EventName{StateMoved: EventRestored, StateLive: EventReleased}[to], next)
	return nil
}
