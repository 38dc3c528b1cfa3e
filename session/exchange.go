package session

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Exchange makes a session out of a legacy one, or answers the one that was made of the same key before:
// parallel tabs, other edges and lost answers all get one session, and the winner's token while that may
// be had. It opens the lineage's next generation; whatever else of the lineage was live or moving has
// moved from then on.
func (m *Manager) Exchange(ctx context.Context, x Exchange) (Exchanged, error) {
	if err := m.checkExchange(ctx, &x); err != nil {
		return Exchanged{}, err
	}
	// One key at a time in this process: the losers then find the winner's session without a conflict.
	h := m.hashLegacy(x.LegacyKey)
	defer m.lock(ID(h[16:]))()
	out, err := retry(ctx, func() (Exchanged, error) { return m.exchangeOnce(ctx, x) })
	if err == nil && out.Refused != "" {
		m.refusal(ctx, x, out.Refused)
	}
	return out, err
}

func (m *Manager) checkExchange(ctx context.Context, x *Exchange) (err error) {
	switch {
	case x.LegacyKey == "" || x.Lineage.IsZero():
		return fault.New(fault.Invalid, "an exchange needs the legacy key and its lineage")
	case x.Kind != Guest && x.Kind != Authenticated:
		return fault.New(fault.Invalid, "an exchange needs the kind of the legacy session")
	case (x.Kind == Authenticated) != (x.Subject != ""):
		return fault.New(fault.Invalid, "an authenticated session needs a subject, a guest has none")
	case x.Counterpart == x.LegacyKey:
		return fault.New(fault.Invalid, "the counterpart must not have the key that is handed over")
	case x.Idle < 0:
		return fault.New(fault.Invalid, "idle life %v is negative", x.Idle)
	}
	if x.Idle == 0 {
		x.Idle = m.cfg.Idle
	}
	now := m.now()
	x.Idle = min(x.Idle, MaxLife)
	if last := now.Add(MaxLife); x.ExpiresAt.After(last) {
		x.ExpiresAt = last
	}
	x.ExpiresAt = x.ExpiresAt.Truncate(time.Millisecond).UTC()
	if x.Kind == Authenticated && !x.AuthTime.IsZero() {
		x.AuthTime = x.AuthTime.Truncate(time.Millisecond).UTC()
	}
	if x.Born, err = m.bornFor(ctx, x.Born, x.Subject); err != nil {
		return err
	}
	m.crossed(x.Data)
	return m.cfg.Limits.checkValues(x.Data)
}

func refused(why Refusal) (Exchanged, error) { return Exchanged{Refused: why}, nil }

func (m *Manager) exchangeOnce(ctx context.Context, x Exchange) (Exchanged, error) {
	key, err := m.legacyKey(ctx, x.LegacyKey)
	if err != nil {
		return Exchanged{}, err
	}
	if key != nil && key.Lineage != x.Lineage {
		return refused(RefusedClosed) // two stories about one key: neither is believed
	}
	ended, err := m.EndedLineage(ctx, x.Lineage)
	if err != nil {
		return Exchanged{}, err
	}
	if ended {
		return refused(RefusedEnded)
	}
	if key != nil && !key.Moved.IsZero() {
		return m.exchangeAgain(ctx, x, key)
	}
	if key != nil && key.Closed {
		return refused(RefusedClosed)
	}
	if !x.ExpiresAt.After(m.now()) {
		return refused(RefusedExpired)
	}
	recs, err := m.generations(ctx, x.Lineage)
	if err != nil {
		return Exchanged{}, err
	}
	if key != nil && key.Given && len(recs) > 0 && sameLogin(recs[0], x) {
		// We gave this key out. Where the session was spared by "all but the current one" and so born anew,
		// what we gave out for it was spared with it.
		x.Born = max(x.Born, recs[0].Born)
	}
	if x.Born < m.marks.against(x.Subject) {
		return refused(RefusedMark)
	}
	return m.exchangeFirst(ctx, x, key, recs)
}

func sameLogin(r *Record, x Exchange) bool {
	return r.Kind == x.Kind && r.Subject == x.Subject && r.State != StateEnded
}

// exchangeAgain answers a key that was exchanged before: with the winner's session while the key still
// proves it.
func (m *Manager) exchangeAgain(ctx context.Context, x Exchange, key *Key) (Exchanged, error) {
	rec, err := m.load(ctx, key.Moved, m.readFull)
	if err != nil {
		return Exchanged{}, err
	}
	now := m.now()
	switch {
	case rec == nil:
		return refused(RefusedExpired) // its deadline is so far back that it was cleaned up
	case rec.State == StateEnded:
		return refused(RefusedEnded)
	case rec.Born < m.marks.against(rec.Subject):
		return refused(RefusedMark)
	case rec.Expired(now):
		return refused(RefusedExpired)
	case !sameLogin(rec, x):
		return refused(RefusedClosed)
	}
	heir, err := m.heir(ctx, rec, now)
	switch {
	case err != nil:
		return Exchanged{}, err
	case heir == nil || !sameLogin(heir, x):
		return refused(RefusedClosed)
	case heir.State == StateMoving:
		return Exchanged{Follow: heir.LegacyKey, Claimed: heir.ID}, nil
	case heir.State == StateMoved:
		return Exchanged{Follow: heir.LegacyKey}, nil
	}
	var won *Issued
	if heir.ID == rec.ID {
		won, err = m.winnerOf(ctx, rec, func(next *Record) { m.prime(next, rec, x) })
	} else {
		won, err = m.winner(ctx, heir.ID)
	}
	switch {
	case err != nil:
		return Exchanged{}, err
	case won == nil:
		// It was presented a moment ago, by a browser whose answer this one shares: but its token is sealed no
		// more. What legacy holds goes on being the proof until the grace ends.
		return refused(RefusedClosed)
	}
	return Exchanged{Issued: *won}, nil
}

// keyOpen reports whether a legacy key that was exchanged for rec still proves it.
func (m *Manager) keyOpen(rec *Record, now time.Time) bool {
	return rec.ViewOf.IsZero() && rec.Privileged.IsZero() && within(rec.First, m.cfg.Grace, now)
}

// prime brings a session that nobody has ever opened up to what legacy says now: the answer that carried
// its token was lost, and the visitor may have gone on over there.
func (m *Manager) prime(next, rec *Record, x Exchange) {
	attrs, changed, err := m.edit(rec.Attributes, x.Data, nil, next.Version, m.now())
	if err == nil && changed && rec.First.IsZero() {
		next.Attributes = attrs
	}
	next.Transient = x.Transient
}

// exchangeFirst opens the lineage's next generation.
func (m *Manager) exchangeFirst(ctx context.Context, x Exchange, key *Key, recs []*Record) (Exchanged, error) {
	now := m.now()
	rec := m.begin(m.newID(now), x.Kind, x.Visitor, x.Born, now)
	rec.Lineage, rec.Generation = x.Lineage, nextGeneration(x.Generation, recs)
	rec.Subject, rec.Origin, rec.AuthTime = x.Subject, x.Origin, x.AuthTime
	rec.Idle, rec.ExpiresAt, rec.Transient = x.Idle, x.ExpiresAt, x.Transient
	rec.begunOn(x.Device)
	rec.deadlines()
	var err error
	if rec.Attributes, _, err = m.edit(map[string]Attribute{}, x.Data, nil, 1, now); err != nil {
		return Exchanged{}, err
	}
	merged, err := m.takeOver(ctx, x, rec, now)
	if err != nil {
		return Exchanged{}, err
	}
	token := m.mint(rec, now)
	ops := append([]Op{Insert{rec}}, merged...)
	if x.Counterpart != "" {
		more, err := m.attach(ctx, rec, x.Counterpart, latest(x.CounterpartAt, x.ExpiresAt))
		if err != nil {
			return Exchanged{}, err
		}
		ops = append(ops, more...)
	}
	ops = append(ops, m.supersede(recs, rec.ID, now)...)
	ops = append(ops, PutKey{m.movedKey(x, key, rec, recs, now)})
	if _, err := m.commit(ctx, ops...); err != nil {
		return lostExchange(err)
	}
	m.happened(ctx, EventExchanged, rec)
	return Exchanged{Issued: Issued{Token: token, Session: &rec.Session}, Created: true}, nil
}

// lostExchange makes a refusal of a lineage that ended while the exchange was under way.
func lostExchange(err error) (Exchanged, error) {
	if fault.CodeOf(err) == fault.Precondition {
		return refused(RefusedEnded)
	}
	return Exchanged{}, err
}

func nextGeneration(legacy uint32, recs []*Record) uint32 {
	last := legacy
	for _, r := range recs {
		last = max(last, r.Generation)
	}
	return last + 1
}

// supersede moves whatever else of the lineage is still live or moving, and tells what was restored to
// legacy that it has come back: its token, on its way in another tab, then gets the winner's session and
// not a key that is spent. The insert of the next generation fails if a parallel one was opened, so nothing
// is missed.
func (m *Manager) supersede(recs []*Record, next ID, now time.Time) (ops []Op) {
	for _, r := range recs {
		if r.State == StateEnded || r.State == StateMoved && !r.Next.IsZero() {
			continue
		}
		old := r.clone()
		old.State, old.Next, old.Keep = StateMoved, next, r.until()
		m.exposeLegacy(old)
		ops = append(ops, Update{old})
	}
	return ops
}

// movedKey is the row of the key that was handed over.
func (m *Manager) movedKey(x Exchange, key *Key, rec *Record, recs []*Record, now time.Time) Key {
	k := Key{Hash: m.hashLegacy(x.LegacyKey), Lineage: x.Lineage}
	if key != nil {
		k = *key
	}
	if k.Given && k.Presented.IsZero() {
		k.Presented = now
	}
	k.Moved = rec.ID
	k.Version++
	k.Keep = latest(k.Keep, rec.until())
	for _, r := range recs {
		k.Keep = latest(k.Keep, r.until())
	}
	return k
}

// takeOver merges the guest session that a login on legacy is taken over into. The guest's record becomes
// a read-only view of the new session: its token opens that until the grace ends, and nothing later.
func (m *Manager) takeOver(ctx context.Context, x Exchange, rec *Record, now time.Time) ([]Op, error) {
	if x.Into.IsZero() {
		return nil, nil
	}
	guest, err := m.load(ctx, x.Into, m.readFull)
	if err != nil {
		return nil, err
	}
	if guest == nil {
		// Nothing was stored for it. Its token must not go on meaning a second session of this browser.
		return []Op{m.endOp(Lineage(x.Into), "merged", now.Add(m.cfg.GuestLife), now, true)}, nil
	}
	if m.writable(ctx, guest) != nil {
		return nil, nil // gone meanwhile: nothing to merge
	}
	if guest.Kind != Guest {
		return nil, fault.New(fault.Invalid, "session %s is not a guest's: it cannot be merged", x.Into)
	}
	if guest.Lineage == rec.Lineage {
		return nil, nil // it moves as an older generation
	}
	m.merge(rec.Attributes, guest.Attributes, rec.Version, authTime(x.AuthTime, now))
	view := guest.clone()
	view.Keep = guest.until()
	view.ViewOf, view.Generation, view.Next = rec.ID, 0, rec.ID
	view.Attributes = public(guest.Attributes)
	view.ExpiresAt = now.Add(m.cfg.Grace)
	view.deadlines()
	return []Op{Update{view}}, nil
}
