package session

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// NewGuest makes a visitor that nothing is stored for: a signed token, no I/O.
func (m *Manager) NewGuest(v VisitorID) Issued {
	// The token speaks in seconds, so the session does from the start.
	now := m.now().Truncate(time.Second)
	p := GuestProof{ID: m.newID(now), Visitor: v, Issued: now, ExpiresAt: now.Add(m.cfg.GuestLife), Born: m.marks.current()}
	return Issued{Token: FormatGuestToken(m.keys, p), Session: guestSession(p)}
}

// guestSession is what a guest token opens while nothing is stored: a session whose lineage is its own id.
func guestSession(p GuestProof) *Session {
	return &Session{
		ID: p.ID, Lineage: Lineage(p.ID), Generation: 1, Kind: Guest, State: StateLive,
		Created: p.Issued, LastSeen: p.Issued, IdleAt: p.ExpiresAt, ExpiresAt: p.ExpiresAt,
		Born: p.Born, Visitor: p.Visitor,
	}
}

// resolveGuest judges a guest token: by itself while there is no record under its id, and as the
// predecessor of the record's token once there is.
func (m *Manager) resolveGuest(ctx context.Context, raw string) Resolution {
	p, ok := ParseGuestToken(m.keys, raw)
	if !ok {
		return Resolution{Worth: WorthInvalid}
	}
	e, stale, err := m.guestEntry(ctx, p)
	if err != nil {
		return Resolution{Worth: WorthUnknown}
	}
	res := m.judgeGuest(ctx, p, e)
	res.Stale = stale
	return res
}

func (m *Manager) judgeGuest(ctx context.Context, p GuestProof, e *entry) Resolution {
	now := m.now()
	if e.rec != nil {
		return m.judgeSpent(ctx, e.rec, now)
	}
	res := Resolution{Session: e.guest}
	switch {
	case e.ended || p.Born < m.marks.against(""):
		res.Worth = WorthEnded
	case !now.Before(p.ExpiresAt):
		res.Worth = WorthExpired
	default:
		res.Worth = WorthLive
	}
	return res
}

// judgeSpent serves a guest token whose session has a record by now: for the losers of the first write's
// race the winner's token, after a login the view, and otherwise nothing.
func (m *Manager) judgeSpent(ctx context.Context, rec *Record, now time.Time) Resolution {
	switch {
	case !rec.ViewOf.IsZero():
		return m.judgeMerged(ctx, rec, now)
	case !rec.FromGuest:
		return Resolution{Worth: WorthInvalid}
	case !rec.Privileged.IsZero():
		v, err := m.head(ctx, rec.View)
		if err != nil {
			return Resolution{Worth: WorthUnknown}
		}
		return m.judgeView(ctx, rec, v, now)
	case !within(rec.First, m.cfg.Grace, now):
		return Resolution{Worth: WorthInvalid}
	}
	return m.judgeReplaced(ctx, rec, now)
}

// guestEntry finds what is stored for a guest token, through the cache. That nothing is stored is cached
// too, or each page of each guest would ask the store.
func (m *Manager) guestEntry(ctx context.Context, p GuestProof) (_ *entry, stale bool, _ error) {
	b := m.belief(ctx)
	e, ok := m.records.get(p.ID)
	same := ok && (e.rec != nil || sameGuest(e.guest, p))
	if same && (b.recent(e.at) || e.rec == nil && b.fresh(e.at)) {
		return e, false, nil
	}
	seq, seen := m.records.begin(p.ID), m.marks.current()
	read, err := m.readGuest(ctx, p)
	if err != nil {
		if same && m.stale(ctx, e.at) {
			return e, true, nil
		}
		return nil, false, err
	}
	read.at, read.seen = m.reading(b), seen
	m.records.fill(p.ID, read, seq)
	return read, false, nil
}

func (m *Manager) readGuest(ctx context.Context, p GuestProof) (*entry, error) {
	if b := m.belief(ctx); !b.marks {
		got, err := m.judged(ctx, p.ID)
		switch {
		case err != nil:
			return nil, storeTrouble(err, "read the session")
		case got.Record != nil:
			m.complete(got.Record)
			return &entry{rec: got.Record}, nil
		}
		return &entry{guest: guestSession(p), ended: got.Ended}, nil
	}
	rec, err := m.load(ctx, p.ID, m.store.Head)
	if err != nil || rec != nil {
		return &entry{rec: rec}, err
	}
	ended, err := m.store.Ended(ctx, Lineage(p.ID))
	return &entry{guest: guestSession(p), ended: ended}, err
}

func sameGuest(s *Session, p GuestProof) bool {
	return s != nil && s.Created.Equal(p.Issued) && s.ExpiresAt.Equal(p.ExpiresAt) && s.Born == p.Born
}

// found is a session that a write may go to.
type found struct {
	rec *Record // with attributes; nil: there is none yet, and guest says how to make it
	// guest is the proof that the caller came with, if it came with one.
	guest *GuestProof
	// came by a guest token whose record exists: the browser needs the winner's token.
	late bool
}

// find reads the session that a write is meant for, by id or by guest proof, and refuses it unless it may
// be written.
func (m *Manager) find(ctx context.Context, id ID, guest *GuestProof) (found, error) {
	if guest == nil {
		rec, err := m.live(ctx, id, m.readFull)
		return found{rec: rec}, err
	}
	rec, err := m.load(ctx, guest.ID, m.readFull)
	switch {
	case err != nil:
		return found{}, err
	case rec != nil:
		return m.findLate(ctx, rec, guest)
	}
	ended, err := m.store.Ended(ctx, Lineage(guest.ID))
	switch {
	case err != nil:
		return found{}, storeTrouble(err, "read the session")
	case ended || guest.Born < m.marks.against(""):
		return found{}, errLineageEnded()
	case !m.now().Before(guest.ExpiresAt):
		return found{}, fault.New(fault.Precondition, "the guest session has expired")
	}
	p := *guest
	if p.Born, err = m.bornFor(ctx, p.Born, ""); err != nil {
		return found{}, err
	}
	return found{guest: &p}, nil
}

// blank reports whether nothing in memory speaks against a guest's first write: no record, no end, no mark.
// Only the store knows for certain.
func (m *Manager) blank(ctx context.Context, p GuestProof) bool {
	b := m.belief(ctx)
	e, ok := m.records.get(p.ID)
	return b.marks && !(ok && (e.rec != nil || e.ended)) && p.Born >= m.marks.against("") && p.Born <= m.marks.current() &&
		m.now().Before(p.ExpiresAt)
}

// findLate lets who lost the race of a guest's first write go on with the winner's record, as long as the
// guest token still proves it.
func (m *Manager) findLate(ctx context.Context, rec *Record, guest *GuestProof) (found, error) {
	if err := m.writable(ctx, rec); err != nil {
		return found{}, err
	}
	if !rec.FromGuest || !rec.Privileged.IsZero() || !within(rec.First, m.cfg.Grace, m.now()) {
		return found{}, fault.New(fault.Precondition, "the guest token of session %s is spent", rec.ID).
			WithHint("repeat the request with the cookie that replaced it")
	}
	return found{rec: rec, guest: guest, late: true}, nil
}

// begin makes the record of a session that is born here. Its lineage is its id: a guest's token has room
// for one id only, and a session that never crosses needs no other.
func (m *Manager) begin(id ID, kind Kind, visitor VisitorID, born Mark, now time.Time) *Record {
	return &Record{
		Session: Session{
			ID: id, Lineage: Lineage(id), Generation: 1, Kind: kind, Created: now, LastSeen: now,
			ExpiresAt: now.Add(m.cfg.Absolute), Born: born, Version: 1, Visitor: visitor,
			State: StateLive, Written: true,
		},
		Idle: m.cfg.Idle,
	}
}

// beginGuest makes the record of a guest from its token. It outlives that token, which is dead from now on.
func (m *Manager) beginGuest(p GuestProof, now time.Time) *Record {
	r := m.begin(p.ID, Guest, p.Visitor, p.Born, now)
	r.Created, r.FromGuest, r.Keep = p.Issued, true, p.ExpiresAt
	return r
}
