package session

import (
	"context"
	"errors"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Patch changes attributes of a live session, key by key. A patch that changes nothing writes nothing.
// The first patch of a guest makes its record; when two race, one makes it, both are kept, and both
// answers carry the same token.
func (m *Manager) Patch(ctx context.Context, p Patch) (_ Patched, err error) {
	defer func() { m.overLimit(ctx, p, err) }()
	if p.Idle < 0 || p.Idle > MaxLife {
		return Patched{}, fault.New(fault.Invalid, "idle life %v is out of range", p.Idle).
			WithHint("choose between 1s and %v, or 0 to leave it", MaxLife)
	}
	if err := m.checkWrite(p.Writer, p.Set, p.Delete); err != nil {
		return Patched{}, err
	}
	id, err := m.addressed(ctx, p.ID, p.Lineage, p.Guest)
	if err != nil {
		return Patched{}, err
	}
	defer m.lock(id)()
	return retry(ctx, func() (Patched, error) { return m.patchOnce(ctx, id, p) })
}

// addressed gives the id of the session that a call is meant for.
func (m *Manager) addressed(ctx context.Context, id ID, l Lineage, guest *GuestProof) (ID, error) {
	switch {
	case guest != nil && !id.IsZero() && id != guest.ID:
		return ID{}, fault.New(fault.Invalid, "session %s and the guest proof of %s do not belong together", id, guest.ID)
	case guest != nil:
		return guest.ID, nil
	case !id.IsZero():
		return id, nil
	case l.IsZero():
		return ID{}, fault.New(fault.Invalid, "neither a session nor a lineage is named")
	}
	s, err := m.ByLineage(ctx, l)
	if err != nil {
		return ID{}, err
	}
	return s.ID, nil
}

func (m *Manager) patchOnce(ctx context.Context, id ID, p Patch) (Patched, error) {
	if p.Guest != nil && m.blank(ctx, *p.Guest) {
		// Most first writes are just that: the insert itself finds out, without a read before it.
		if out, err := m.firstWrite(ctx, p, *p.Guest); !errors.Is(err, ErrConflict) {
			return out, err
		}
	}
	f, err := m.find(ctx, id, p.Guest)
	if err != nil {
		return Patched{}, err
	}
	if f.rec == nil {
		return m.firstWrite(ctx, p, *f.guest)
	}
	now := m.now()
	if err := expect(f.rec.Attributes, p.IfVersion); err != nil {
		return Patched{}, err
	}
	next := f.rec.clone()
	attrs, changed, err := m.edit(f.rec.Attributes, p.Set, p.Delete, next.Version, now)
	if err != nil {
		return Patched{}, err
	}
	if changed {
		next.Attributes = attrs
	}
	if p.Idle != 0 && p.Idle != next.Idle {
		next.Idle, changed = p.Idle, true
	}
	token := ""
	if p.Transient != nil && *p.Transient != next.Transient {
		next.Transient, changed = *p.Transient, true
		m.replace(next, now)
		token = m.mint(next, now)
	}
	out := Patched{Session: &f.rec.Session}
	if changed {
		m.seen(next, now)
		if _, err := m.commit(ctx, Update{next}); err != nil {
			return Patched{}, err
		}
		out.Session = &next.Session
	}
	if token != "" {
		out.Replace = &Issued{Token: token, Session: out.Session}
		return out, nil
	}
	if f.late {
		return m.withWinner(ctx, id, out)
	}
	return out, nil
}

// seen is what every write does besides: it counts as activity, and it drops a sealed secret that nobody
// may have any more.
func (m *Manager) seen(r *Record, now time.Time) {
	if now.After(r.LastSeen) {
		r.LastSeen = now
	}
	if m.sealedOver(r, now) {
		r.Sealed = nil
	}
	r.deadlines()
}

// withWinner adds the token that somebody who came with a spent guest token has to carry from now on. The
// patch is written by then, so trouble here is no reason to fail it: the next request gets the token.
func (m *Manager) withWinner(ctx context.Context, id ID, out Patched) (Patched, error) {
	if won, err := m.winner(ctx, id); err == nil && won != nil {
		out.Session, out.Replace = won.Session, won
	}
	return out, nil
}

// firstWrite makes the record of a guest, if there is something to keep.
func (m *Manager) firstWrite(ctx context.Context, p Patch, guest GuestProof) (Patched, error) {
	if err := expect(nil, p.IfVersion); err != nil {
		return Patched{}, err
	}
	now := m.now()
	attrs, changed, err := m.edit(map[string]Attribute{}, p.Set, nil, 1, now)
	if err != nil {
		return Patched{}, err
	}
	if !changed {
		return Patched{Session: guestSession(guest)}, nil
	}
	rec := m.beginGuest(guest, now)
	rec.Attributes = attrs
	rec.begunOn(p.Device)
	if err := m.guestRate.take(rec.Device.Network, now, "new sessions"); err != nil {
		return Patched{}, err
	}
	if p.Idle != 0 {
		rec.Idle = p.Idle
	}
	rec.Transient = p.Transient != nil && *p.Transient
	rec.deadlines()
	token := m.mint(rec, now)
	if _, err := m.commit(ctx, Insert{rec}); err != nil {
		return Patched{}, err
	}
	m.happened(ctx, EventCreated, rec)
	return Patched{Session: &rec.Session, Replace: &Issued{Token: token, Session: &rec.Session}}, nil
}

// Get reads a session, in whatever state it is. One that a mark or an end under way has ended is shown as
// ended, though its record may not say so yet.
func (m *Manager) Get(ctx context.Context, id ID) (*Session, error) {
	rec, err := m.load(ctx, id, m.readHead)
	switch {
	case err != nil:
		return nil, err
	case rec == nil || !rec.ViewOf.IsZero():
		return nil, errNoSession(id)
	}
	s := rec.Session
	if s.State != StateEnded && (rec.Born < m.marks.against(rec.Subject) || m.condemned.has(rec.Lineage)) {
		s.State, s.EndReason = StateEnded, "all of its subject's or everybody's were ended"
	}
	return &s, nil
}

// Read reads a session with its attributes, private ones included and marked. It serves live and moving
// sessions and the read-only view of an old token; anything else is refused with code
// failed_precondition, an unknown id with not_found.
func (m *Manager) Read(ctx context.Context, id ID) (*Session, map[string]Attribute, error) {
	rec, err := m.load(ctx, id, m.readFull)
	switch {
	case err != nil:
		return nil, nil, err
	case rec == nil:
		return nil, nil, errNoSession(id)
	case !rec.ViewOf.IsZero():
		return m.readView(ctx, rec)
	}
	if rec.State != StateMoving || m.dead(rec, m.now()) {
		if err := m.writable(ctx, rec); err != nil {
			return nil, nil, err
		}
	}
	return &rec.Session, rec.Attributes, nil
}

// dead reports whether a record ended or expired, whatever else holds.
func (m *Manager) dead(rec *Record, now time.Time) bool {
	return rec.State == StateEnded || rec.Expired(now) || rec.Born < m.marks.against(rec.Subject)
}

func (m *Manager) readView(ctx context.Context, view *Record) (*Session, map[string]Attribute, error) {
	rec, err := m.head(ctx, view.ViewOf)
	if err != nil {
		return nil, nil, err
	}
	if now := m.now(); rec == nil || m.dead(rec, now) || m.dead(view, now) {
		return nil, nil, errNoSession(view.ID)
	}
	return &view.Session, view.Attributes, nil
}

// ByLineage finds the live generation of a lineage. A lineage without one is not_found; one that ended,
// failed_precondition.
func (m *Manager) ByLineage(ctx context.Context, l Lineage) (*Session, error) {
	recs, err := m.generations(ctx, l)
	if err != nil {
		return nil, err
	}
	now := m.now()
	for _, r := range recs {
		if r.State == StateLive && !m.dead(r, now) {
			return &r.Session, nil
		}
	}
	switch ended, err := m.EndedLineage(ctx, l); {
	case err != nil:
		return nil, err
	case ended:
		return nil, errLineageEnded()
	}
	return nil, fault.New(fault.NotFound, "no live session of lineage %s", l).
		WithHint("it has moved to the legacy system, or has expired")
}

func (m *Manager) generations(ctx context.Context, l Lineage) ([]*Record, error) {
	recs, err := m.held(ctx, func() ([]*Record, error) { return m.store.Generations(ctx, l) })
	if err != nil {
		return nil, storeTrouble(err, "read the lineage")
	}
	for _, r := range recs {
		m.complete(r)
	}
	return recs, nil
}
