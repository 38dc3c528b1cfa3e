package session

import (
	"bytes"
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Upgrade logs a session in. Data of a guest stays, but for what the caller sets or deletes, in one write
// with the login; the secret changes, and the old one opens only a read-only view of what was there
// before, until the grace ends. A session of another subject is never passed on: it ends, in both systems,
// and the login gets a new one. Without an id and a guest proof a new session is made.
func (m *Manager) Upgrade(ctx context.Context, u Upgrade) (Issued, error) {
	if u.Subject == "" {
		return Issued{}, fault.New(fault.Invalid, "a login needs a subject")
	}
	if err := m.checkLogin(u.Idle, u.LegacyKey, u.LegacyExpires); err != nil {
		return Issued{}, err
	}
	if err := m.checkWrite(u.Writer, u.Set, u.Delete); err != nil {
		return Issued{}, err
	}
	if err := m.checkWrite(u.Writer, u.User, nil); err != nil {
		return Issued{}, err
	}
	if err := m.loginRate.take(u.Device.tidy().Network, m.now(), "logins"); err != nil {
		return Issued{}, err
	}
	var err error
	if u.Born, err = m.bornFor(ctx, u.Born, u.Subject); err != nil {
		return Issued{}, err
	}
	if u.Born < m.marks.against(u.Subject) {
		return Issued{}, fault.New(fault.Precondition, "the sessions of this subject were ended while the login was under way").
			WithHint("log in again")
	}
	return m.limited(ctx, u, func() (Issued, error) { return m.upgrade(ctx, u) })
}

func (m *Manager) upgrade(ctx context.Context, u Upgrade) (Issued, error) {
	if u.ID.IsZero() && u.Guest == nil {
		return m.loginNew(ctx, u)
	}
	id, err := m.addressed(ctx, u.ID, Lineage{}, u.Guest)
	if err != nil {
		return Issued{}, err
	}
	defer m.lock(id)()
	return retry(ctx, func() (Issued, error) { return m.upgradeOnce(ctx, id, u) })
}

func (m *Manager) checkLogin(idle time.Duration, key string, expires time.Time) error {
	if idle < 0 || idle > MaxLife {
		return fault.New(fault.Invalid, "idle life %v is out of range", idle)
	}
	if key != "" && !expires.After(m.now()) {
		return fault.New(fault.Invalid, "the counterpart has no expiry ahead").
			WithHint("send the expiry of the legacy session together with its key")
	}
	return nil
}

func (m *Manager) upgradeOnce(ctx context.Context, id ID, u Upgrade) (Issued, error) {
	f, err := m.find(ctx, id, u.Guest)
	if err != nil {
		return Issued{}, err
	}
	now := m.now()
	if f.rec == nil {
		return m.loginGuest(ctx, u, *f.guest, now)
	}
	if f.rec.Kind == Authenticated && f.rec.Subject != u.Subject {
		return m.loginOther(ctx, u, f.rec, now)
	}
	next := f.rec.clone()
	attrs, changed, err := m.loginData(f.rec.Attributes, u, next.Version, now)
	if err != nil {
		return Issued{}, err
	}
	if changed {
		next.Attributes = attrs
	}
	view := m.viewOf(f.rec, now)
	m.demote(next, view.ID, now)
	return m.login(ctx, u, next, now, Update{next}, Insert{view})
}

// loginNew makes a session for somebody who had none.
func (m *Manager) loginNew(ctx context.Context, u Upgrade) (Issued, error) {
	now := m.now()
	rec := m.begin(m.newID(now), Authenticated, u.Visitor, u.Born, now)
	if err := m.fill(rec, u); err != nil {
		return Issued{}, err
	}
	return m.login(ctx, u, rec, now, Insert{rec})
}

// loginGuest makes the record of a guest and logs it in at once. Its guest token opens an empty view.
func (m *Manager) loginGuest(ctx context.Context, u Upgrade, guest GuestProof, now time.Time) (Issued, error) {
	rec := m.beginGuest(guest, now)
	rec.deadlines()
	view := m.viewOf(rec, now)
	if err := m.fill(rec, u); err != nil {
		return Issued{}, err
	}
	m.demote(rec, view.ID, now)
	return m.login(ctx, u, rec, now, Insert{rec}, Insert{view})
}

// loginOther ends a session that belongs to somebody else and makes a new one. One commit: the browser
// is never left with neither.
func (m *Manager) loginOther(ctx context.Context, u Upgrade, old *Record, now time.Time) (Issued, error) {
	rec := m.begin(m.newID(now), Authenticated, old.Visitor, u.Born, now)
	if err := m.fill(rec, u); err != nil {
		return Issued{}, err
	}
	end := m.endOp(old.Lineage, "subject_changed", old.until(), now, false)
	// The update makes the commit fail if the old session changes hands meanwhile.
	return m.login(ctx, u, rec, now, Update{old.clone()}, end, Insert{rec})
}

// fill sets the attributes of a record that is not stored yet.
func (m *Manager) fill(rec *Record, u Upgrade) error {
	attrs, _, err := m.loginData(map[string]Attribute{}, u, rec.Version, m.now())
	rec.Attributes = attrs
	return err
}

// loginData gives the attributes of a session after a login: the guest's merged with what the user has
// elsewhere, and then what the application sets and deletes.
func (m *Manager) loginData(guest map[string]Attribute, u Upgrade, version uint64, now time.Time) (map[string]Attribute, bool, error) {
	if len(u.User) == 0 {
		return m.edit(guest, u.Set, u.Delete, version, now)
	}
	both, _, err := m.edit(map[string]Attribute{}, u.User, nil, version, now)
	if err != nil {
		return nil, false, err
	}
	for k, g := range guest {
		if g.Private {
			both[k] = g // the same session's, and the legacy system's own
		}
	}
	m.merge(both, guest, version, authTime(u.AuthTime, now))
	for k, g := range guest {
		if b, ok := both[k]; ok && bytes.Equal(b.Value, g.Value) {
			both[k] = g // not written: it keeps its version
		}
	}
	out, _, err := m.edit(both, u.Set, u.Delete, version, now)
	return out, true, err
}

// login sets who it is, mints the token and writes. The absolute life starts anew: it is a new login.
func (m *Manager) login(ctx context.Context, u Upgrade, rec *Record, now time.Time, ops ...Op) (Issued, error) {
	rec.Kind, rec.Subject = Authenticated, u.Subject
	rec.AuthTime, rec.Methods, rec.Level = authTime(u.AuthTime, now), u.Methods, u.Level
	rec.Born, rec.ExpiresAt = u.Born, now.Add(m.cfg.Absolute)
	rec.begunOn(u.Device)
	if u.Idle != 0 {
		rec.Idle = u.Idle
	}
	if u.Transient != nil {
		rec.Transient = *u.Transient
	}
	out, err := m.privileged(ctx, rec, u.LegacyKey, u.LegacyExpires, now, ops)
	if err == nil {
		m.loggedIn(ctx, rec)
	}
	return out, err
}

// privileged finishes a login or step-up: a new token, the new counterpart in place of the old one, and
// the write.
func (m *Manager) privileged(ctx context.Context, rec *Record, key string, expires, now time.Time, ops []Op) (Issued, error) {
	token := m.mint(rec, now)
	m.seen(rec, now)
	if key != "" {
		more, err := m.attach(ctx, rec, key, expires)
		if err != nil {
			return Issued{}, err
		}
		ops = append(ops, more...)
	}
	if _, err := m.commit(ctx, ops...); err != nil {
		return Issued{}, err
	}
	return Issued{Token: token, Session: &rec.Session}, nil
}

func authTime(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t.Truncate(time.Millisecond).UTC()
}

// viewOf makes the read-only view that the old secrets open until the grace ends: the guest's data as it
// is now, without what only legacy may read.
func (m *Manager) viewOf(rec *Record, now time.Time) *Record {
	return &Record{
		Session: Session{
			ID: m.newID(now), Lineage: rec.Lineage, Kind: Guest, Created: rec.Created, LastSeen: now,
			IdleAt: now.Add(m.cfg.Grace), ExpiresAt: now.Add(m.cfg.Grace), Born: rec.Born, Version: 1,
			Visitor: rec.Visitor, State: StateLive, Written: true,
		},
		Idle: m.cfg.Grace, ViewOf: rec.ID, Attributes: public(rec.Attributes),
	}
}

// StepUp records a fresh authentication of the same subject and changes the secret. The old one opens only
// the view, as after a login.
func (m *Manager) StepUp(ctx context.Context, s StepUp) (Issued, error) {
	if err := m.checkLogin(0, s.LegacyKey, s.LegacyExpires); err != nil {
		return Issued{}, err
	}
	if err := m.checkWrite(s.Writer, s.Set, nil); err != nil {
		return Issued{}, err
	}
	defer m.lock(s.ID)()
	return retry(ctx, func() (Issued, error) {
		rec, err := m.live(ctx, s.ID, m.readFull)
		if err != nil {
			return Issued{}, err
		}
		if rec.Kind != Authenticated {
			return Issued{}, fault.New(fault.Precondition, "session %s is a guest's: nobody to authenticate again", s.ID).
				WithHint("use Upgrade for a login")
		}
		now := m.now()
		next := rec.clone()
		attrs, changed, err := m.edit(rec.Attributes, s.Set, nil, next.Version, now)
		if err != nil {
			return Issued{}, err
		}
		if changed {
			next.Attributes = attrs
		}
		view := m.viewOf(rec, now)
		m.demote(next, view.ID, now)
		next.AuthTime, next.Methods, next.Level = authTime(s.AuthTime, now), s.Methods, s.Level
		out, err := m.privileged(ctx, next, s.LegacyKey, s.LegacyExpires, now, []Op{Update{next}, Insert{view}})
		if err == nil {
			m.happened(ctx, EventSteppedUp, next)
		}
		return out, err
	})
}

// AttachCounterpart records the legacy session that is kept beside a live one. A counterpart that it
// replaces proves nothing any more.
func (m *Manager) AttachCounterpart(ctx context.Context, id ID, key string, expires time.Time) error {
	if key == "" {
		return fault.New(fault.Invalid, "a counterpart needs a key")
	}
	if err := m.checkLogin(0, key, expires); err != nil {
		return err
	}
	defer m.lock(id)()
	_, err := retry(ctx, func() (struct{}, error) {
		rec, err := m.live(ctx, id, m.readHead)
		if err != nil {
			return struct{}{}, err
		}
		next := rec.clone()
		ops, err := m.attach(ctx, next, key, expires)
		if err != nil {
			return struct{}{}, err
		}
		_, err = m.commit(ctx, append([]Op{Update{next}}, ops...)...)
		return struct{}{}, err
	})
	return err
}

// attach makes key the record's counterpart and gives the writes that its key rows need.
func (m *Manager) attach(ctx context.Context, rec *Record, key string, expires time.Time) ([]Op, error) {
	var ops []Op
	before, err := m.legacyKey(ctx, key)
	if err != nil {
		return nil, err
	}
	ref := m.legacyRef(key, expires)
	row := Key{Hash: ref.Hash, Lineage: rec.Lineage}
	if before != nil {
		if before.Lineage != rec.Lineage || before.Closed || !before.Moved.IsZero() {
			return nil, fault.New(fault.Precondition, "the counterpart's key was used before").
				WithHint("let the legacy system make a fresh session key")
		}
		row, ref.Hash = *before, before.Hash
	}
	if old := rec.Counterpart.Hash; !old.IsZero() && !equalKey(old, ref.Hash) {
		op, err := m.closeKey(ctx, old)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op...)
	}
	rec.Counterpart = ref
	rec.Keep = latest(rec.Keep, ref.Expires) // a tombstone lasts as long as the records that it covers
	m.exposeLegacy(rec)
	row.Given, row.Keep = true, latest(row.Keep, rec.until())
	row.Version++
	return append(ops, PutKey{row}), nil
}

// closeKey gives the write after which a key proves nothing any more.
func (m *Manager) closeKey(ctx context.Context, h KeyHash) ([]Op, error) {
	k, err := m.keyByHash(ctx, h)
	if err != nil || k == nil || k.Closed {
		return nil, err
	}
	c := *k
	c.Closed = true
	c.Version++
	return []Op{PutKey{c}}, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
