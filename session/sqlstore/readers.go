package sqlstore

import (
	"context"
	"errors"
)

type reading int

const (
	rdHead reading = iota
	rdFull
	rdGenerations
	rdOfSubject
	rdFromSubject
	rdEnded
	rdKey
	rdMarks
	rdSequence
	rdDue
	rdOutstanding
	rdCovered
	rdScan
	rdNotes
	readingCount
)

const recordText = `SELECT ` + columns + ` FROM sessions`

var readingText = [readingCount]string{
	rdHead: recordText + ` WHERE id = ?`,
	rdFull: `SELECT ` + columns + `, attributes FROM sessions WHERE id = ?`,
	rdGenerations: recordText + ` WHERE id = ?1 AND lineage IS NULL AND generation > 0 UNION ALL ` +
		recordText + ` WHERE lineage = ?1 AND generation > 0 ORDER BY generation DESC`,
	rdOfSubject: recordText + ` WHERE subject = ? AND state < 4 AND state <> 3 ORDER BY created DESC, id DESC LIMIT ?`,
	rdFromSubject: recordText + ` WHERE subject = ? AND state < 4 AND state <> 3 AND (created, id) < (?, ?)
		ORDER BY created DESC, id DESC LIMIT ?`,
	rdEnded:    `SELECT 1 FROM tombstones WHERE lineage = ?`,
	rdKey:      `SELECT lineage, given, closed, moved, presented, keep, version FROM legacy_keys WHERE hash = ?`,
	rdMarks:    `SELECT subject, mark FROM marks`,
	rdSequence: `SELECT value FROM counters WHERE name = 'mark'`,
	rdDue: `SELECT id, operation, lineage, subject, everybody, before, except_lineage, reason, since, attempts
		FROM outbox WHERE next <= ? ORDER BY id LIMIT ?`,
	rdOutstanding: `SELECT id FROM outbox`,
	rdCovered:     `SELECT end_id, lineage FROM tombstones WHERE end_id <> 0`,
	rdScan:        `SELECT ` + columns + `, attributes FROM sessions WHERE id > ? ORDER BY id LIMIT ?`,
	rdNotes:       `SELECT name, version, value FROM notes WHERE substr(name, 1, length(CAST(?1 AS TEXT))) = ?1 ORDER BY name`,
}

// reader is a connection for reading, and what was prepared on it so far. One that was not used yet has
// no connection.
type reader struct {
	conn conn
	stmt [readingCount]statement
}

func (r *reader) statement(st reading, open func() (conn, error)) (_ statement, err error) {
	if r.conn == nil {
		if r.conn, err = open(); err != nil {
			r.conn = nil
			return nil, err
		}
	}
	if r.stmt[st] == nil {
		if r.stmt[st], err = r.conn.prepare(readingText[st]); err != nil {
			r.stmt[st] = nil
			return nil, err
		}
	}
	return r.stmt[st], nil
}

// readers lends connections for reading.
type readers struct {
	open   func() (conn, error)
	idle   chan *reader
	closed chan struct{}
}

func newReaders(n int, open func() (conn, error)) *readers {
	p := &readers{open: open, idle: make(chan *reader, n), closed: make(chan struct{})}
	for range n {
		p.idle <- &reader{}
	}
	return p
}

// close waits for reads that are under way, and refuses what comes later. It is called once.
func (p *readers) close() error {
	close(p.closed)
	var errs []error
	for range cap(p.idle) {
		if r := <-p.idle; r.conn != nil {
			errs = append(errs, r.conn.close())
		}
	}
	return errors.Join(errs...)
}

func (p *readers) lend(ctx context.Context) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.closed:
		return nil, errClosed
	default:
	}
	select {
	case r := <-p.idle:
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, errClosed
	}
}

func (p *readers) query(ctx context.Context, st reading, each func(row) error, args []value) error {
	r, err := p.lend(ctx)
	if err != nil {
		return err
	}
	defer func() { p.idle <- r }()
	say, err := r.statement(st, p.open)
	if err != nil {
		return err
	}
	return say.query(ctx, args, each)
}

func (s *Store) read(ctx context.Context, st reading, each func(row) error, args ...value) error {
	if err := s.readers.query(ctx, st, each, args); err != nil {
		return s.trouble(err, "read")
	}
	return nil
}
