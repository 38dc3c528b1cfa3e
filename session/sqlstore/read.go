package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// statements are the reads, prepared once; database/sql prepares them again on each connection.
type statements struct {
	head, full, generations, ofSubject, fromSubject, ended, key, marks, sequence, due, outstanding, covered *sql.Stmt
}

func prepareReads(ctx context.Context, db *sql.DB) (s statements, err error) {
	const rec = `SELECT ` + columns + ` FROM sessions`
	for _, p := range []struct {
		st   **sql.Stmt
		text string
	}{
		{&s.head, rec + ` WHERE id = ?`},
		{&s.full, `SELECT ` + columns + `, attributes FROM sessions WHERE id = ?`},
		{&s.generations, rec + ` WHERE id = ?1 AND lineage IS NULL AND generation > 0 UNION ALL ` +
			rec + ` WHERE lineage = ?1 AND generation > 0 ORDER BY generation DESC`},
		{&s.ofSubject, rec + ` WHERE subject = ? AND state < 4 AND state <> 3 ORDER BY created DESC, id DESC LIMIT ?`},
		{&s.fromSubject, rec + ` WHERE subject = ? AND state < 4 AND state <> 3 AND (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT ?`},
		{&s.ended, `SELECT 1 FROM tombstones WHERE lineage = ?`},
		{&s.key, `SELECT lineage, given, closed, moved, presented, keep, version FROM legacy_keys WHERE hash = ?`},
		{&s.marks, `SELECT subject, mark FROM marks`},
		{&s.sequence, `SELECT value FROM counters WHERE name = 'mark'`},
		{&s.due, `SELECT id, operation, lineage, subject, everybody, before, except_lineage, reason, since, attempts
			FROM outbox WHERE next <= ? ORDER BY id LIMIT ?`},
		{&s.outstanding, `SELECT id FROM outbox`},
		{&s.covered, `SELECT end_id, lineage FROM tombstones WHERE end_id <> 0`},
	} {
		if *p.st, err = db.PrepareContext(ctx, p.text); err != nil {
			return s, fmt.Errorf("prepare %q: %w", p.text, err)
		}
	}
	return s, nil
}

// Head reads a record without attributes. See session.Store.
func (s *Store) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.record(ctx, s.read.head, id, false)
}

// Full reads a record with attributes. See session.Store.
func (s *Store) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.record(ctx, s.read.full, id, true)
}

func (s *Store) record(ctx context.Context, st *sql.Stmt, id session.ID, full bool) (*session.Record, error) {
	r, err := scanRecord(st.QueryRowContext(ctx, id[:]), full)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.trouble(err, "read")
	}
	return r, nil
}

type scanner interface{ Scan(...any) error }

// scanRecord reads a row of columns, with attributes behind them if full.
func scanRecord(row scanner, full bool) (*session.Record, error) {
	var (
		r                                                              session.Record
		id, lineage, secret, sealed, head, attrs                       []byte
		subject, reason                                                sql.NullString
		version, created, seen, idle, expires, born, first, used, kept int64
	)
	dest := []any{
		&id, &lineage, &r.Generation, &r.State, &version, &subject, &reason, &created, &seen, &idle, &expires, &born,
		&first, &used, &kept, &secret, &sealed, &head,
	}
	if full {
		dest = append(dest, &attrs)
	}
	if err := row.Scan(dest...); err != nil {
		return nil, err
	}
	if len(id) != len(r.ID) || len(secret) != len(r.Secret) || lineage != nil && len(lineage) != len(r.Lineage) {
		return nil, damaged(errors.New("a key has the wrong length"))
	}
	r.ID, r.Lineage, r.Secret = session.ID(id), session.Lineage(id), session.SecretHash(secret)
	if lineage != nil {
		r.Lineage = session.Lineage(lineage)
	}
	r.Version, r.Born, r.Subject, r.EndReason, r.Sealed = uint64(version), session.Mark(born), subject.String, reason.String, sealed
	r.Created, r.LastSeen, r.ExpiresAt = session.FromMillis(created), session.FromMillis(seen), session.FromMillis(expires)
	r.First, r.Used, r.Keep = session.FromMillis(first), session.FromMillis(used), session.FromMillis(kept)
	r.Idle = time.Duration(idle) * time.Millisecond
	if err := session.DecodeHead(head, &r); err != nil {
		return nil, damaged(err)
	}
	if full {
		var err error
		if r.Attributes, err = session.DecodeAttributes(attrs); err != nil {
			return nil, damaged(err)
		}
	}
	return &r, nil
}

func damaged(err error) error {
	return fault.Wrap(err, fault.Internal, "a stored session cannot be read").
		WithHint("it may have been written by a newer crossfade; otherwise the database is damaged")
}

// Generations reads the records of a lineage. See session.Store.
func (s *Store) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return s.records(s.read.generations.QueryContext(ctx, l[:]))
}

// OfSubject reads live and moving records of a subject. See session.Store.
func (s *Store) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) ([]*session.Record, error) {
	if after.ID.IsZero() {
		return s.records(s.read.ofSubject.QueryContext(ctx, subject, limit))
	}
	return s.records(s.read.fromSubject.QueryContext(ctx, subject, ms(after.Created), after.ID[:], limit))
}

func (s *Store) records(rows *sql.Rows, err error) ([]*session.Record, error) {
	return collect(s, rows, err, func(rows *sql.Rows) (*session.Record, error) { return scanRecord(rows, false) })
}

func collect[T any](s *Store, rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, s.trouble(err, "read")
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, s.trouble(err, "read")
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, s.trouble(err, "read")
	}
	return out, nil
}

// Ended looks for a tombstone. See session.Store.
func (s *Store) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	var one int
	err := s.read.ended.QueryRowContext(ctx, l[:]).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, s.trouble(err, "read")
	}
	return true, nil
}

// Key finds a legacy key. See session.Store.
func (s *Store) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	for _, h := range hashes {
		k := session.Key{Hash: h}
		var lineage, moved []byte
		var presented, keep int64
		err := s.read.key.QueryRowContext(ctx, h[:]).Scan(&lineage, &k.Given, &k.Closed, &moved, &presented, &keep, &k.Version)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, s.trouble(err, "read")
		}
		copy(k.Lineage[:], lineage)
		copy(k.Moved[:], moved)
		k.Presented, k.Keep = session.FromMillis(presented), session.FromMillis(keep)
		return &k, nil
	}
	return nil, nil
}

// Marks reads the revocation state. See session.Store. The sequence is read first: marks that are drawn
// meanwhile can only make it look older than it is.
func (s *Store) Marks(ctx context.Context) (session.Marks, error) {
	out := session.Marks{Subjects: map[string]session.Mark{}}
	var sequence int64
	if err := s.read.sequence.QueryRowContext(ctx).Scan(&sequence); err != nil {
		return out, s.trouble(err, "read")
	}
	out.Sequence = session.Mark(sequence)
	rows, err := s.read.marks.QueryContext(ctx)
	_, err = collect(s, rows, err, func(rows *sql.Rows) (struct{}, error) {
		var subject string
		var mark int64
		err := rows.Scan(&subject, &mark)
		if subject == "" {
			out.Global = session.Mark(mark)
		} else {
			out.Subjects[subject] = session.Mark(mark)
		}
		return struct{}{}, err
	})
	return out, err
}

// Due reads the outbox. See session.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]session.PendingEnd, error) {
	rows, err := s.read.due.QueryContext(ctx, ms(now), limit)
	return collect(s, rows, err, func(rows *sql.Rows) (p session.PendingEnd, err error) {
		var operation, lineage, except []byte
		var subject sql.NullString
		var before, since int64
		err = rows.Scan(&p.ID, &operation, &lineage, &subject, &p.Everybody, &before, &except, &p.Reason, &since, &p.Attempts)
		copy(p.Operation[:], operation)
		copy(p.Lineage[:], lineage)
		copy(p.Except[:], except)
		p.Subject, p.Before, p.Since = subject.String, session.Mark(before), session.FromMillis(since)
		return p, err
	})
}

// Outstanding reads what unconfirmed ends cover. See session.Store.
func (s *Store) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	out := map[int64][]session.Lineage{}
	rows, err := s.read.outstanding.QueryContext(ctx)
	ids, err := collect(s, rows, err, func(rows *sql.Rows) (id int64, err error) { err = rows.Scan(&id); return id, err })
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		out[id] = nil
	}
	rows, err = s.read.covered.QueryContext(ctx)
	_, err = collect(s, rows, err, func(rows *sql.Rows) (struct{}, error) {
		var id int64
		var lineage []byte
		err := rows.Scan(&id, &lineage)
		if _, ok := out[id]; ok && err == nil {
			out[id] = append(out[id], session.Lineage(lineage))
		}
		return struct{}{}, err
	})
	return out, err
}
