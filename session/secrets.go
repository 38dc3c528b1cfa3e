package session

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// maxPrevious bounds the replaced secrets of one session that are kept at a time.
const maxPrevious = 6

// mint gives a record a new current secret and the token of it. What becomes of the old one is the
// caller's to say first: replace or demote.
func (m *Manager) mint(r *Record, now time.Time) string {
	var s Secret
	m.random(s[:])
	r.Secret, r.SecretAt, r.Used = s.Hash(), now, time.Time{}
	r.Sealed = m.keys.Seal(purposeSecret, s[:])
	return Token{ID: r.ID, Secret: s}.String()
}

// replace retires the current secret without a change of privilege: until a grace after its successor's
// first use it opens the same session. A secret that was retired before is closing since its own
// successor was used, and goes on closing at that time.
func (m *Manager) replace(r *Record, now time.Time) {
	kept := m.closed(r, now)
	for _, p := range r.Previous {
		if !p.open(r, m.cfg.Grace, now) {
			continue
		}
		if p.Until.IsZero() && !r.Used.IsZero() {
			p.Until = r.Used.Add(m.cfg.Grace)
		}
		kept = append(kept, p)
	}
	kept = append(kept, Previous{Hash: r.Secret})
	r.Previous = kept[max(0, len(kept)-maxPrevious):]
}

// closed are the newest secrets of a record that open nothing any more. Presented, they tell of a theft.
func (m *Manager) closed(r *Record, now time.Time) (out []Previous) {
	for _, p := range r.Previous {
		if p.open(r, m.cfg.Grace, now) {
			continue
		}
		if p.Until.IsZero() {
			p.Until = r.Used.Add(m.cfg.Grace) // it must not open again with the next secret
		}
		out = append(out, Previous{Hash: p.Hash, Until: p.Until})
	}
	return out[max(0, len(out)-maxClosed):]
}

// demote retires every secret because of a login or step-up: until the grace ends each opens the view
// alone. A guest token opens the view of the first login only: later ones show what was not a guest's.
func (m *Manager) demote(r *Record, view ID, now time.Time) {
	until, kept := now.Add(m.cfg.Grace), m.closed(r, now)
	for _, p := range r.Previous {
		switch {
		case !p.open(r, m.cfg.Grace, now):
		case p.View.IsZero():
			kept = append(kept, Previous{Hash: p.Hash, View: view, Until: until})
		default:
			kept = append(kept, p)
		}
	}
	if r.Secret != (SecretHash{}) {
		kept = append(kept, Previous{Hash: r.Secret, View: view, Until: until})
	}
	r.Previous = kept[max(0, len(kept)-maxPrevious):]
	if r.Privileged.IsZero() {
		r.View = view
	}
	r.Privileged = now
}

// sealedOpen reports whether the sealed current secret may still be given to the losers of a race: for a
// grace after it was made, and after it was first used.
func (m *Manager) sealedOpen(r *Record, now time.Time) bool {
	return r.Sealed != nil && (now.Before(r.SecretAt.Add(m.cfg.Grace)) ||
		!r.Used.IsZero() && now.Before(r.Used.Add(m.cfg.Grace)))
}

// sealedOver reports whether a sealed secret has no use left: its race is decided.
func (m *Manager) sealedOver(r *Record, now time.Time) bool {
	return r.Sealed != nil && !r.Used.IsZero() && !m.sealedOpen(r, now)
}

// unseal is the current token of a record, if it may still be had.
func (m *Manager) unseal(r *Record, now time.Time) (string, bool) {
	if !m.sealedOpen(r, now) {
		return "", false
	}
	plain, err := m.keys.Open(purposeSecret, r.Sealed)
	if err != nil || len(plain) != len(Secret{}) || !Secret(plain).Hash().Equal(r.Secret) {
		return "", false
	}
	return Token{ID: r.ID, Secret: Secret(plain)}.String(), true
}

// winner is the token that whoever presents an old one of this session should carry: the sealed one, or a
// new secret if the current one was never presented and is sealed no more (the answer that carried it
// was lost). Nil: the browser has it already.
func (m *Manager) winner(ctx context.Context, id ID) (*Issued, error) {
	return retry(ctx, func() (*Issued, error) {
		rec, err := m.head(ctx, id)
		if err != nil || rec == nil {
			return nil, err
		}
		return m.winnerOf(ctx, rec, nil)
	})
}

// winnerOf is one attempt of winner. edit, if any, goes into the write that a new secret needs.
func (m *Manager) winnerOf(ctx context.Context, rec *Record, edit func(*Record)) (*Issued, error) {
	now := m.now()
	if token, ok := m.unseal(rec, now); ok {
		return &Issued{Token: token, Session: &rec.Session}, nil
	}
	if !rec.Used.IsZero() {
		return nil, nil
	}
	next := rec.clone()
	m.replace(next, now)
	token := m.mint(next, now)
	if edit != nil {
		edit(next)
	}
	if _, err := m.commit(ctx, Update{next}); err != nil {
		return nil, err
	}
	m.happened(ctx, EventRotated, next)
	return &Issued{Token: token, Session: &next.Session}, nil
}

// Rotate replaces the secret of a live session without a change of privilege. A rotation whose token was
// not presented yet and is still at hand is answered again instead: all who rotate at once get one token.
func (m *Manager) Rotate(ctx context.Context, id ID) (Issued, error) {
	defer m.lock(id)()
	return retry(ctx, func() (Issued, error) {
		rec, err := m.live(ctx, id, m.readHead)
		if err != nil {
			return Issued{}, err
		}
		now := m.now()
		if token, ok := m.unseal(rec, now); ok && rec.Used.IsZero() {
			return Issued{Token: token, Session: &rec.Session}, nil
		}
		next := rec.clone()
		m.replace(next, now)
		token := m.mint(next, now)
		if _, err := m.commit(ctx, Update{next}); err != nil {
			return Issued{}, err
		}
		m.happened(ctx, EventRotated, next)
		return Issued{Token: token, Session: &next.Session}, nil
	})
}

// live reads a record afresh and refuses it unless it may be written.
func (m *Manager) live(ctx context.Context, id ID, read func(context.Context, ID) (*Record, error)) (*Record, error) {
	rec, err := m.load(ctx, id, read)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, errNoSession(id)
	}
	if err := m.writable(ctx, rec); err != nil {
		return nil, err
	}
	return rec, nil
}

// writable refuses what is not live, with the reason.
func (m *Manager) writable(ctx context.Context, rec *Record) error {
	if !rec.ViewOf.IsZero() {
		return fault.New(fault.Precondition, "session %s is a read-only view of the time before a login", rec.ID).
			WithHint("repeat the request with the cookie that the login set")
	}
	worth, err := m.worth(ctx, rec, m.now())
	switch {
	case err != nil:
		return err
	case worth == WorthLive:
		return nil
	case worth == WorthMoving:
		return fault.New(fault.Precondition, "session %s is being restored to the legacy system", rec.ID).
			WithHint("repeat the request: it will be served by the system that has the session then")
	case worth == WorthInvalid:
		worth = WorthMoved
	}
	return fault.New(fault.Precondition, "session %s has %s", rec.ID, map[Worth]string{
		WorthEnded: "ended", WorthExpired: "expired", WorthMoved: "moved to the legacy system or to a later generation",
	}[worth])
}

func errNoSession(id ID) error {
	return fault.New(fault.NotFound, "no session %s", id).
		WithHint("it has expired and was cleaned up, or it is a guest that nothing was stored for")
}

func errLineageEnded() error {
	return fault.New(fault.Precondition, "the session has ended")
}
