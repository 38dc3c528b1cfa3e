package session

import (
	"context"
)

// What a record is held against, for when the marks in memory prove nothing: they are asked of the store
// and taken into memory, where judging finds them.

// readHead reads a record without attributes, and what it is held against as far as memory does not know it.
func (m *Manager) readHead(ctx context.Context, id ID) (*Record, error) {
	if b := m.belief(ctx); b.marks {
		return m.store.Head(ctx, id)
	}
	got, err := m.judged(ctx, id)
	return got.Record, err
}

// judged asks the store for all that a token of id is held against.
func (m *Manager) judged(ctx context.Context, id ID) (Judged, error) {
	m.obs().ReadThrough()
	if m.judges == nil {
		return m.judgedInParts(ctx, id)
	}
	subject := ""
	if e, ok := m.records.get(id); ok && e.rec != nil {
		subject = e.rec.Subject
	}
	got, err := m.judges.Judged(ctx, id, subject)
	if err == nil {
		m.marks.learn(got.Marks)
	}
	return got, err
}

// judgedInParts does the same on a store that cannot. The marks come first, see Judged.Marks.
func (m *Manager) judgedInParts(ctx context.Context, id ID) (got Judged, err error) {
	if got.Marks, err = m.store.Marks(ctx); err != nil {
		return got, err
	}
	m.marks.learn(got.Marks)
	if got.Record, err = m.store.Head(ctx, id); err != nil || got.Record != nil {
		return got, err
	}
	got.Ended, err = m.store.Ended(ctx, Lineage(id))
	return got, err
}

// learn brings the marks in memory up to the store's, for everybody and one subject.
func (m *Manager) learn(ctx context.Context, subject string) (err error) {
	m.obs().ReadThrough()
	var got Marks
	if m.judges != nil {
		got, err = m.judges.Against(ctx, subject)
	} else {
		got, err = m.store.Marks(ctx)
	}
	if err != nil {
		return storeTrouble(err, "read revocation marks")
	}
	m.marks.learn(got)
	return nil
}

// readFull reads a record with its attributes, and what it is held against.
func (m *Manager) readFull(ctx context.Context, id ID) (*Record, error) {
	recs, err := m.held(ctx, func() ([]*Record, error) {
		r, err := m.store.Full(ctx, id)
		if r == nil {
			return nil, err
		}
		return []*Record{r}, err
	})
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	return recs[0], nil
}

// held reads records that are to be held against marks. Where memory does not know them, the records are
// read, their subjects' marks are asked for, and the records are read once more: a record that was born
// again at a mark must not be seen older than it.
func (m *Manager) held(ctx context.Context, read func() ([]*Record, error)) ([]*Record, error) {
	b := m.belief(ctx)
	recs, err := read()
	if b.marks || err != nil {
		return recs, err
	}
	asked := map[string]bool{}
	for {
		more := false
		for _, subject := range append(subjectsOf(recs), "") {
			if asked[subject] || subject == "" && len(asked) > 0 {
				continue // everybody's mark comes with each subject's
			}
			if err := m.learn(ctx, subject); err != nil {
				return nil, err
			}
			asked[subject], more = true, true
		}
		if !more {
			return recs, nil
		}
		if recs, err = read(); err != nil {
			return nil, err
		}
	}
}

func subjectsOf(recs []*Record) (out []string) {
	for _, r := range recs {
		if r.Subject != "" {
			out = append(out, r.Subject)
		}
	}
	return out
}

// bornFor is the mark that a session of this subject may be written down as born at: not one that was not drawn
// yet, which would outlive ends. One that is ahead of memory may have been drawn by another process.
func (m *Manager) bornFor(ctx context.Context, born Mark, subject string) (Mark, error) {
	if b := m.belief(ctx); m.watcher != nil && (!b.marks || born > m.marks.current()) {
		if err := m.learn(ctx, subject); err != nil {
			return 0, err
		}
	}
	return min(born, m.marks.current()), nil
}

// Revoked reports whether a credential other than a token (a ticket, a tools session) is void: its lineage was
// ended, or it was born before a mark. A zero lineage and an empty subject are not held against anything
// of their own. It does no I/O while memory may be believed; an error means that nobody can say, and what
// memory says then is Denied and MarkAgainst.
func (m *Manager) Revoked(ctx context.Context, l Lineage, subject string, born Mark) (bool, error) {
	b := m.belief(ctx)
	if !l.IsZero() && m.Denied(l) || born < m.marks.against(subject) {
		return true, nil
	}
	if b.marks {
		return false, nil
	}
	if err := m.learn(ctx, subject); err != nil || born < m.marks.against(subject) {
		return err == nil, err
	}
	if l.IsZero() {
		return false, nil
	}
	return m.EndedLineage(ctx, l)
}
