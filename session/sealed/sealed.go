// Package sealed keeps what is personal in sessions encrypted in any store, by standing between the manager
// and the store.
//
// Invariant: sealed, plain and sealed under an older key are all readable at every moment, by every process
// that has the keys; and what is sealed opens for the record that it was sealed for and for no other. What
// is sealed and what is not, DESIGN.md beside this file says. The application wraps its store with it.
package sealed

import (
	"context"
	"log/slog"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// Mode says in which form records are written. Every mode reads every form.
type Mode string

// The modes. A site where several processes share a store goes from plain to sealed and back through Read on
// all of them, since a process without this package cannot read what is sealed.
const (
	Read Mode = "read" // written plain; what is sealed stays so
	On   Mode = "on"   // written sealed; what is plain is sealed in the background
	Undo Mode = "undo" // written plain; what is sealed is opened in the background
)

// Store is a session.Store on top of another.
type Store struct {
	session.Store // that it stands before
	ring          *keyring.Ring
	mode          Mode
	log           *slog.Logger
}

// New stands before a store. What it answers has the traits session.Watcher and session.Judge if the store has.
func New(inner session.Store, ring *keyring.Ring, mode Mode, log *slog.Logger) (session.Store, error) {
	switch mode {
	case Read, On, Undo:
	default:
		return nil, fault.New(fault.Invalid, "no such mode of sealing: %q", mode).WithHint("use read, on or undo")
	}
	s := &Store{Store: inner, ring: ring, mode: mode, log: log}
	w, watches := inner.(session.Watcher)
	j, judges := inner.(session.Judge)
	switch {
	case watches && judges:
		return struct {
			*Store
			watcher
			judge
		}{s, watcher{s, w}, judge{s, j}}, nil
	case watches:
		return struct {
			*Store
			watcher
		}{s, watcher{s, w}}, nil
	case judges:
		return struct {
			*Store
			judge
		}{s, judge{s, j}}, nil
	}
	return s, nil
}

// Head reads a record. See session.Store.
func (s *Store) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.opened(s.Store.Head(ctx, id))
}

// Full reads a record with its attributes. See session.Store.
func (s *Store) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.opened(s.Store.Full(ctx, id))
}

func (s *Store) opened(r *session.Record, err error) (*session.Record, error) {
	if err != nil || r == nil {
		return nil, err
	}
	if err := s.open(r); err != nil {
		return nil, err
	}
	return r, nil
}

// Generations reads the records of a lineage. See session.Store.
func (s *Store) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return s.openedAll(s.Store.Generations(ctx, l))
}

func (s *Store) openedAll(recs []*session.Record, err error) ([]*session.Record, error) {
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		if err := s.open(r); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// Scan reads records. See session.Store. One that cannot be opened is passed by and logged: a scan that
// stopped at it would stop whatever ends or cleans up by scanning.
func (s *Store) Scan(ctx context.Context, after string, limit int) ([]*session.Record, string, error) {
	page, next, err := s.Store.Scan(ctx, after, limit)
	if err != nil {
		return nil, "", err
	}
	out := page[:0]
	for _, r := range page {
		if err := s.open(r); err != nil {
			s.log.ErrorContext(ctx, "a sealed session cannot be opened and is passed by", "session", r.ID, "err", err)
			continue
		}
		out = append(out, r)
	}
	return out, next, nil
}

// Commit seals what is written. See session.Store.
func (s *Store) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	out := make([]session.Op, 0, len(ops))
	for _, op := range ops {
		switch op := op.(type) {
		case session.Insert:
			out = append(out, session.Insert{Record: s.formed(op.Record)})
		case session.Update:
			out = append(out, session.Update{Record: s.formed(op.Record)})
		case session.EndSubject:
			s.gather(ctx, op)
			names := s.names(op.Subject)
			op.Subject = names[len(names)-1]
			out = append(out, op)
		default:
			out = append(out, op)
		}
	}
	return s.Store.Commit(ctx, out...)
}

// formed is a record in the form that the mode writes.
func (s *Store) formed(r *session.Record) *session.Record {
	if s.mode == On {
		return s.seal(r)
	}
	return r
}

// openFault: the record is there and nobody may act as if it were not.
func openFault(id session.ID, err error) error {
	return fault.Wrap(err, fault.Internal, "session %s is sealed and cannot be opened", id).
		WithHint("a key that sealed it may have left \"keys\" too early: put it back, last in the list; otherwise the row was altered")
}
