package session

import (
	"context"
	"time"
)

// Resolve says what a presented token is worth at this moment. It never fails: when the store cannot be
// asked, the answer is unknown, or stale within Config.StaleFor. From the cache it does no I/O.
func (m *Manager) Resolve(ctx context.Context, raw string) Resolution {
	if raw == "" {
		return Resolution{Worth: WorthNone}
	}
	if IsGuestToken(raw) {
		return m.resolveGuest(ctx, raw)
	}
	t, ok := ParseToken(raw)
	if !ok {
		return Resolution{Worth: WorthInvalid}
	}
	hash := t.Secret.Hash()
	e, stale, err := m.presented(ctx, t, hash)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case e.rec == nil:
		return Resolution{Worth: WorthInvalid}
	}
	res := m.judge(ctx, e.rec, hash)
	if res.Worth == WorthEnded && m.overtaken(e) {
		return m.judgeAnew(ctx, t, hash)
	}
	res.Stale = stale
	return res
}

// overtaken reports whether a mark of its subject speaks against a record that was read before that mark was
// known. It may have been spared and born again: the mark and the record come to memory one after the other.
func (m *Manager) overtaken(e *entry) bool {
	of := m.marks.of(e.rec.Subject)
	return e.rec.State != StateEnded && e.rec.Born < of && e.seen < of
}

func (m *Manager) judgeAnew(ctx context.Context, t Token, hash SecretHash) Resolution {
	e, err := m.readPresented(ctx, t, hash)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case e.rec == nil:
		return Resolution{Worth: WorthInvalid}
	}
	return m.judge(ctx, e.rec, hash)
}

// presented finds the record that a token names. A cached record whose version is older than the
// browser's hint is read again once, and only for who knows a secret of it: the hint is not signed. A
// secret that the cached record does not know is held against the store as well, so that a mismatch is
// never answered from the cache. No watch tells of activity, so an old secret, which closes at the first use
// of the one after it, and an idle deadline that has passed are believed for a shorter time.
func (m *Manager) presented(ctx context.Context, t Token, hash SecretHash) (_ *entry, stale bool, _ error) {
	b := m.belief(ctx)
	e, ok := m.records.get(t.ID)
	known := ok && e.rec != nil && e.rec.knows(hash)
	if known && e.rec.Version >= t.Hint &&
		(b.recent(e.at) || b.fresh(e.at) && e.rec.Secret.Equal(hash) && b.now.Before(e.rec.IdleAt)) {
		return e, false, nil
	}
	read, err := m.readPresented(ctx, t, hash)
	if err != nil && known && m.stale(ctx, e.at) {
		return e, true, nil
	}
	return read, false, err
}

// readPresented asks the store. The record of the entry that it answers is nil if there is none.
func (m *Manager) readPresented(ctx context.Context, t Token, hash SecretHash) (*entry, error) {
	b := m.belief(ctx)
	seq, seen := m.records.begin(t.ID), m.marks.current()
	rec, err := m.load(ctx, t.ID, m.readHead)
	if err != nil {
		return nil, err
	}
	e := &entry{rec: rec, at: m.reading(b), seen: seen}
	if rec != nil && rec.knows(hash) {
		m.records.fill(t.ID, e, seq)
	}
	return e, nil
}

// knows reports whether the hash is one of the record's secrets, old ones included.
func (r *Record) knows(hash SecretHash) bool {
	return r.Secret.Equal(hash) || r.previous(hash) != nil
}

func (r *Record) previous(hash SecretHash) *Previous {
	for i := range r.Previous {
		if r.Previous[i].Hash.Equal(hash) {
			return &r.Previous[i]
		}
	}
	return nil
}

// judge says what a secret of rec is worth.
func (m *Manager) judge(ctx context.Context, rec *Record, hash SecretHash) Resolution {
	now := m.now()
	if !rec.ViewOf.IsZero() {
		return m.judgeMerged(ctx, rec, now)
	}
	if rec.Secret.Equal(hash) {
		return m.judgeCurrent(ctx, rec, now)
	}
	old := rec.previous(hash)
	if old == nil {
		return Resolution{Worth: WorthInvalid}
	}
	m.reused(rec, old, now)
	if !old.open(rec, m.cfg.Grace, now) {
		return Resolution{Worth: WorthInvalid}
	}
	if old.View.IsZero() {
		return m.judgeReplaced(ctx, rec, now)
	}
	v, err := m.head(ctx, old.View)
	if err != nil {
		return Resolution{Worth: WorthUnknown}
	}
	return m.judgeView(ctx, rec, v, now)
}

// judgeMerged serves a guest's own secret after a login took the guest over into another session: the
// guest's record has become a view of that one.
func (m *Manager) judgeMerged(ctx context.Context, view *Record, now time.Time) Resolution {
	rec, err := m.head(ctx, view.ViewOf)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case rec == nil:
		return Resolution{Worth: WorthInvalid}
	}
	return m.judgeView(ctx, rec, view, now)
}

func (m *Manager) judgeCurrent(ctx context.Context, rec *Record, now time.Time) Resolution {
	worth, err := m.worth(ctx, rec, now)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case worth == WorthInvalid:
		return Resolution{Worth: WorthInvalid}
	case worth == WorthMoved && !rec.Next.IsZero():
		return m.judgeSuperseded(ctx, rec, now)
	case worth == WorthLive || worth == WorthMoving:
		rec = m.notice(rec, now, true)
	}
	return Resolution{Worth: worth, Session: &rec.Session}
}

// judgeSuperseded serves a token whose session went to legacy and has come back: a parallel tab opened the
// lineage's next generation a moment ago, and this one gets the winner's session and token.
func (m *Manager) judgeSuperseded(ctx context.Context, rec *Record, now time.Time) Resolution {
	next, err := m.head(ctx, rec.Next)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case next == nil:
		return Resolution{Worth: WorthInvalid}
	}
	return m.judgeReplaced(ctx, next, now)
}

// judgeReplaced serves a secret that a rotation without change of privilege, or a guest's first write,
// has replaced: the session as it is, and the winner's token to carry from now on.
func (m *Manager) judgeReplaced(ctx context.Context, rec *Record, now time.Time) Resolution {
	worth, err := m.worth(ctx, rec, now)
	switch {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case worth == WorthInvalid:
		return Resolution{Worth: WorthInvalid}
	case worth == WorthMoved && !rec.Next.IsZero():
		return m.judgeSuperseded(ctx, rec, now)
	case worth != WorthLive:
		return Resolution{Worth: worth, Session: &rec.Session}
	}
	rec = m.notice(rec, now, false)
	res := Resolution{Worth: WorthLive, Session: &rec.Session}
	if won, err := m.winner(ctx, rec.ID); err == nil && won != nil {
		res.Session, res.Replace = won.Session, won
	}
	return res
}

// judgeView serves what the old secret of a login or step-up is until the grace ends: the guest's data as
// it was, read-only. It goes with the session that it was taken from.
func (m *Manager) judgeView(ctx context.Context, rec, v *Record, now time.Time) Resolution {
	if v == nil || v.ViewOf != rec.ID || v.State != StateLive || v.Expired(now) {
		return Resolution{Worth: WorthInvalid}
	}
	switch w, err := m.worth(ctx, rec, now); {
	case err != nil:
		return Resolution{Worth: WorthUnknown}
	case w == WorthEnded || w == WorthExpired:
		return Resolution{Worth: w, Session: &v.Session}
	}
	return Resolution{Worth: WorthReadOnly, Session: &v.Session}
}

// open reports whether a replaced secret still means something.
func (p *Previous) open(rec *Record, grace time.Duration, now time.Time) bool {
	if !p.Until.IsZero() {
		return now.Before(p.Until)
	}
	return within(rec.Used, grace, now)
}

// within reports whether something closes later than now: a grace after since, and not at all while
// since has not come.
func within(since time.Time, grace time.Duration, now time.Time) bool {
	return since.IsZero() || now.Before(since.Add(grace))
}

// worth is what the current secret of a record is worth: live ∧ both deadlines ahead ∧ born at or after
// every mark, and otherwise the reason why not. Ended wins over everything.
func (m *Manager) worth(ctx context.Context, rec *Record, now time.Time) (Worth, error) {
	switch {
	case rec.State == StateEnded, rec.Born < m.marks.against(rec.Subject), m.condemned.has(rec.Lineage):
		return WorthEnded, nil
	case rec.Expired(now):
		return WorthExpired, nil
	case rec.State == StateLive:
		return WorthLive, nil
	case rec.State == StateMoving:
		return WorthMoving, nil
	}
	open, err := m.movedOpen(ctx, rec, now)
	if err != nil || !open {
		return WorthInvalid, err
	}
	return WorthMoved, nil
}

// movedOpen reports whether the token of a moved session still proves its lineage: until a grace after
// what followed it was first presented, and not past a login or step-up there.
func (m *Manager) movedOpen(ctx context.Context, rec *Record, now time.Time) (bool, error) {
	if !rec.Claim.Hash.IsZero() {
		k, err := m.keyByHash(ctx, rec.Claim.Hash)
		if err != nil || k == nil || k.Closed || !within(k.Presented, m.cfg.Grace, now) {
			return false, err
		}
	}
	if rec.Next.IsZero() {
		return true, nil
	}
	next, err := m.head(ctx, rec.Next)
	if err != nil || next == nil {
		return false, err
	}
	return m.follows(rec, next, now), nil
}

// follows reports whether what was handed over to next still proves the lineage.
func (m *Manager) follows(rec, next *Record, now time.Time) bool {
	return next.State != StateEnded && next.Privileged.IsZero() && within(next.First, m.cfg.Grace, now) &&
		next.Kind == rec.Kind && next.Subject == rec.Subject && next.AuthTime.Equal(rec.AuthTime)
}

// notice takes down that a session was used: when its last-seen is old enough to be worth a write, and
// when one of its secrets is presented for the first time. It answers the record as it is from now on.
func (m *Manager) notice(rec *Record, now time.Time, current bool) *Record {
	first := current && rec.Used.IsZero()
	if !first && now.Sub(rec.LastSeen) < touchEvery(rec.Idle) {
		return rec
	}
	t := Touch{ID: rec.ID, Since: now, Seen: now}
	if first {
		t.Used, t.Secret = now, rec.Secret
	}
	t.Unseal = m.sealedOver(rec, now)
	m.touches.note(t)
	c := *rec
	c.touch(t)
	m.records.swap(rec.ID, func(e *entry) (*entry, bool) { return &entry{rec: &c, at: e.at, seen: e.seen}, e.rec == rec })
	return &c
}
