package session

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// End ends one lineage with all its generations, all sessions of a subject but perhaps one, or everybody's.
// It is in force here when it answers. What legacy has to do is in the outbox by then, unless legacy says
// that it has done it.
func (m *Manager) End(ctx context.Context, e End) (Ended, error) {
	if n := count(!e.ID.IsZero(), !e.Lineage.IsZero(), e.Subject != "", e.Everybody); n != 1 {
		return Ended{}, fault.New(fault.Invalid, "an end selects exactly one of session, lineage, subject and everybody; this one selects %d", n)
	}
	if !e.Except.IsZero() && e.Subject == "" {
		return Ended{}, fault.New(fault.Invalid, "only the end of a subject can spare a session")
	}
	res, err := retry(ctx, func() (Result, error) { return m.endOnce(ctx, e) })
	m.condemn(e, err == nil)
	if err != nil {
		return Ended{}, err
	}
	out := Ended{Mark: m.marks.current()}
	for _, r := range res.Records {
		if r.Live {
			out.Sessions++
		}
	}
	if res.EndID != 0 {
		out.Outstanding = 1
	}
	return out, nil
}

func count(bs ...bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}

func (m *Manager) endOnce(ctx context.Context, e End) (Result, error) {
	now := m.now()
	switch {
	case e.Everybody:
		return m.commit(ctx, EndEverybody{Reason: e.Reason, At: now, Notify: m.notice16(e.LegacyDone)})
	case e.Subject != "":
		return m.endSubject(ctx, e, now)
	case !e.Lineage.IsZero():
		return m.commit(ctx, m.endOp(e.Lineage, e.Reason, now, now, e.LegacyDone))
	}
	rec, err := m.load(ctx, e.ID, m.readHead)
	if err != nil {
		return Result{}, err
	}
	// Without a record it can only be a guest's that nothing was stored for, and its lineage is its id.
	l, keep := Lineage(e.ID), now
	if rec != nil {
		l, keep = rec.Lineage, rec.until()
	}
	return m.commit(ctx, m.endOp(l, e.Reason, keep, now, e.LegacyDone))
}

func (m *Manager) endSubject(ctx context.Context, e End, now time.Time) (Result, error) {
	op := EndSubject{Subject: e.Subject, Reason: e.Reason, At: now, Keep: m.keepTombstone(now, now), Notify: m.notice16(e.LegacyDone)}
	if !e.Except.IsZero() {
		defer m.lock(e.Except)()
		rec, err := m.live(ctx, e.Except, m.readHead)
		if err != nil {
			return Result{}, err
		}
		if rec.Subject != e.Subject {
			return Result{}, fault.New(fault.Precondition, "session %s does not belong to this subject", e.Except)
		}
		op.Except, op.ExceptVersion, op.ExceptLineage = rec.ID, rec.Version, rec.Lineage
	}
	return m.commit(ctx, op)
}

// endOp ends a lineage. keep is the latest credential that the caller knows of.
func (m *Manager) endOp(l Lineage, reason string, keep, now time.Time, legacyDone bool) EndLineage {
	return EndLineage{Lineage: l, Reason: reason, At: now, Keep: m.keepTombstone(keep, now), Notify: m.notice16(legacyDone)}
}

// keepTombstone is how long a tombstone stays at least. A credential that nothing here knows of, as a
// guest token without a record, is no older than now and lives no longer than the longest life.
func (m *Manager) keepTombstone(known, now time.Time) time.Time {
	return latest(known, now.Add(max(m.cfg.Absolute, m.cfg.GuestLife))).Add(m.cfg.Grace)
}

func (m *Manager) notice16(legacyDone bool) *Notice {
	if legacyDone {
		return nil
	}
	var n Notice
	m.random(n.Operation[:])
	return &n
}

// tookEffect brings the revocation state in memory up to a commit that is durable.
func (m *Manager) tookEffect(op Op, res Result) {
	switch op := op.(type) {
	case Update:
		m.tell(op.Record)
	case EndLineage:
		m.denied.add(res.EndID, res.Lineages)
	case EndSubject:
		m.marks.raise(res.Mark, op.Subject)
		m.denied.add(res.EndID, res.Lineages)
	case EndEverybody:
		m.marks.raise(res.Mark, "")
		m.denied.add(res.EndID, nil)
	}
}

// List lists a subject's live and moving sessions, newest first. page is the next value of the call
// before, empty for the first; limit is 1 to 200.
func (m *Manager) List(ctx context.Context, subject, page string, limit int) ([]*Session, string, error) {
	if subject == "" || limit < 1 || limit > 200 {
		return nil, "", fault.New(fault.Invalid, "a list needs a subject and a limit from 1 to 200")
	}
	at, err := parsePage(page)
	if err != nil {
		return nil, "", err
	}
	var out []*Session
	for {
		recs, err := m.held(ctx, func() ([]*Record, error) { return m.store.OfSubject(ctx, subject, at, limit) })
		if err != nil {
			return nil, "", storeTrouble(err, "list sessions")
		}
		now := m.now()
		for _, r := range recs {
			m.complete(r)
			at = Cursor{r.Created, r.ID}
			if !m.dead(r, now) {
				out = append(out, &r.Session)
			}
			if len(out) == limit {
				return out, formatPage(at), nil
			}
		}
		if len(recs) < limit {
			return out, "", nil
		}
	}
}

// A page is the place where the last one ended: creation time and id, opaque to callers.
func formatPage(c Cursor) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.Created.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.ID[:]...))
}

func parsePage(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 24 {
		return Cursor{}, fault.New(fault.Invalid, "not a page of this list").WithHint("pass next_page of the answer before, unchanged")
	}
	return Cursor{Created: FromMillis(int64(binary.BigEndian.Uint64(b))), ID: ID(b[8:])}, nil
}
