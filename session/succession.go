package session

import (
	"context"
	"time"
)

// Succession tells what became of a legacy key. It is asked on each request that legacy serves while a
// rollout runs, so both "known" and "not known" are answered from memory.
func (m *Manager) Succession(ctx context.Context, legacyKey string) (Succession, error) {
	if legacyKey == "" {
		return Succession{}, nil
	}
	k, err := m.legacyKey(ctx, legacyKey)
	if err != nil || k == nil {
		return Succession{}, err
	}
	s := Succession{Known: true, Lineage: k.Lineage, Moved: !k.Moved.IsZero() || k.Closed}
	if s.Ended, err = m.EndedLineage(ctx, k.Lineage); err != nil || s.Ended || !s.Moved || k.Closed {
		return s, err
	}
	rec, err := m.head(ctx, k.Moved)
	if err != nil || rec == nil {
		return s, err
	}
	heir, err := m.heir(ctx, rec, m.now())
	if err != nil {
		return Succession{}, err
	}
	if heir != nil {
		s.Open, s.Session = true, heir.ID
	}
	return s, nil
}

// heir is the newest generation of what a legacy key was exchanged for: it may have gone back to legacy
// since, and come again. Nil: the key does not prove it any more, because something along that way was
// presented a grace ago, or changed privilege.
func (m *Manager) heir(ctx context.Context, rec *Record, now time.Time) (*Record, error) {
	if !m.keyOpen(rec, now) {
		return nil, nil
	}
	for {
		if m.dead(rec, now) {
			return nil, nil
		}
		if rec.State != StateMoved {
			return rec, nil
		}
		if open, err := m.movedOpen(ctx, rec, now); err != nil || !open {
			return nil, err
		}
		if rec.Next.IsZero() {
			return rec, nil
		}
		next, err := m.head(ctx, rec.Next)
		if err != nil || next == nil {
			return nil, err
		}
		rec = next
	}
}

// Presented takes down that a browser brought a legacy key that Crossfade gave out. From its first
// presentation on, what the browser carried before is closing. It does no I/O once the key is in memory,
// and nothing when the key is not one of ours.
func (m *Manager) Presented(ctx context.Context, legacyKey string) {
	if legacyKey == "" {
		return
	}
	k, err := m.legacyKey(ctx, legacyKey)
	if err != nil || k == nil || !k.Given || !k.Presented.IsZero() {
		return // a store that is down: it is asked again at the next request
	}
	now := m.now()
	m.touches.noteKey(k.Hash, now)
	c := *k
	c.Presented = now
	m.legacy.swap(k.Hash, func(old known[*Key]) (known[*Key], bool) { return known[*Key]{&c, old.at}, old.v == k })
}

// EndedLineage reports whether a lineage was ended.
func (m *Manager) EndedLineage(ctx context.Context, l Lineage) (bool, error) {
	if m.denied.has(l) {
		return true, nil
	}
	b := m.belief(ctx)
	if e, ok := m.ended.get(l); ok && (e.v || b.fresh(e.at)) {
		return e.v, nil // an end is for ever
	}
	seq := m.ended.begin(l)
	e, err := m.store.Ended(ctx, l)
	if err != nil {
		return false, storeTrouble(err, "read the lineage")
	}
	m.ended.fill(l, known[bool]{e, m.reading(b)}, seq)
	return e, nil
}

// Ready asks the store itself, past every cache: an exchange marks the legacy session as handed over
// first, so it must not begin while nobody can write the new one.
func (m *Manager) Ready(ctx context.Context) error {
	_, err := m.store.Ended(ctx, Lineage{})
	if err != nil {
		return storeTrouble(err, "ask the session store")
	}
	return nil
}
