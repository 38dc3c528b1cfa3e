package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// reads is the reading half of a store, the same for every engine: it asks for statements by name and knows
// what their rows mean.
type reads struct {
	ask func(ctx context.Context, st reading, each func(row) error, args ...value) error
}

// Head reads a record without attributes. See session.Store.
func (s reads) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.record(ctx, rdHead, id)
}

// Full reads a record with attributes. See session.Store.
func (s reads) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return s.record(ctx, rdFull, id)
}

func (s reads) record(ctx context.Context, st reading, id session.ID) (found *session.Record, _ error) {
	err := s.ask(ctx, st, func(r row) (err error) {
		found, err = recordOf(r, st == rdFull)
		return err
	}, blob(id[:]))
	return found, err
}

// recordOf reads a row of columns, with attributes behind them if full.
func recordOf(row row, full bool) (*session.Record, error) {
	id, lineage, secret := row.blob(0), row.blob(1), row.blob(15)
	r := &session.Record{}
	if len(id) != len(r.ID) || len(secret) != len(r.Secret) || lineage != nil && len(lineage) != len(r.Lineage) {
		return nil, damaged(errors.New("a key has the wrong length"))
	}
	r.ID, r.Lineage, r.Secret = session.ID(id), session.Lineage(id), session.SecretHash(secret)
	if lineage != nil {
		r.Lineage = session.Lineage(lineage)
	}
	r.Generation, r.State, r.Version = uint32(row.int(2)), session.State(row.int(3)), uint64(row.int(4))
	r.Subject, r.EndReason = row.text(5), row.text(6)
	r.Created, r.LastSeen = session.FromMillis(row.int(7)), session.FromMillis(row.int(8))
	r.Idle = time.Duration(row.int(9)) * time.Millisecond
	r.ExpiresAt, r.Born = session.FromMillis(row.int(10)), session.Mark(row.int(11))
	r.First, r.Used, r.Keep = session.FromMillis(row.int(12)), session.FromMillis(row.int(13)), session.FromMillis(row.int(14))
	r.Sealed = bytes.Clone(row.blob(16))
	if err := session.DecodeHead(row.blob(17), r); err != nil {
		return nil, damaged(err)
	}
	if full {
		var err error
		if r.Attributes, err = session.DecodeAttributes(row.blob(18)); err != nil {
			return nil, damaged(err)
		}
	}
	return r, nil
}

func damaged(err error) error {
	return fault.Wrap(err, fault.Internal, "a stored session cannot be read").
		WithHint("it may have been written by a newer crossfade; otherwise the database is damaged")
}

// array16 copies an id out of a row; one of another length, which only damage makes, becomes nobody's.
func array16(b []byte) (a [16]byte) {
	if len(b) == len(a) {
		copy(a[:], b)
	}
	return a
}

// Generations reads the records of a lineage. See session.Store.
func (s reads) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return s.records(ctx, rdGenerations, blob(l[:]))
}

// OfSubject reads live and moving records of a subject. See session.Store.
func (s reads) OfSubject(ctx context.Context, subject string, after session.Cursor, limit int) ([]*session.Record, error) {
	if after.ID.IsZero() {
		return s.records(ctx, rdOfSubject, words(subject), num(limit))
	}
	return s.records(ctx, rdFromSubject, words(subject), num(ms(after.Created)), blob(after.ID[:]), num(limit))
}

func (s reads) records(ctx context.Context, st reading, args ...value) (out []*session.Record, _ error) {
	err := s.ask(ctx, st, func(row row) error {
		r, err := recordOf(row, false)
		out = append(out, r)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Ended looks for a tombstone. See session.Store.
func (s reads) Ended(ctx context.Context, l session.Lineage) (ended bool, _ error) {
	err := s.ask(ctx, rdEnded, func(row) error { ended = true; return nil }, blob(l[:]))
	return ended, err
}

// Key finds a legacy key. See session.Store.
func (s reads) Key(ctx context.Context, hashes ...session.KeyHash) (found *session.Key, _ error) {
	for _, h := range hashes {
		err := s.ask(ctx, rdKey, func(r row) error {
			found = &session.Key{
				Hash: h, Lineage: array16(r.blob(0)), Given: r.int(1) != 0, Closed: r.int(2) != 0, Moved: array16(r.blob(3)),
				Presented: session.FromMillis(r.int(4)), Keep: session.FromMillis(r.int(5)), Version: uint32(r.int(6)),
			}
			return nil
		}, blob(h[:]))
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// Marks reads the revocation state. See session.Store. The sequence is read first: marks that are drawn
// meanwhile can only make it look older than it is.
func (s reads) Marks(ctx context.Context) (session.Marks, error) {
	out := session.Marks{Subjects: map[string]session.Mark{}}
	drawn := false
	err := s.ask(ctx, rdSequence, func(r row) error {
		out.Sequence, drawn = session.Mark(r.int(0)), true
		return nil
	})
	if err == nil && !drawn {
		err = damaged(errors.New("the revocation sequence is missing"))
	}
	if err != nil {
		return out, err
	}
	err = s.ask(ctx, rdMarks, func(r row) error {
		if subject, mark := r.text(0), session.Mark(r.int(1)); subject == "" {
			out.Global = mark
		} else {
			out.Subjects[subject] = mark
		}
		return nil
	})
	return out, err
}

// Due reads the outbox. See session.Store.
func (s reads) Due(ctx context.Context, now time.Time, limit int) (out []session.PendingEnd, _ error) {
	err := s.ask(ctx, rdDue, func(r row) error {
		out = append(out, session.PendingEnd{
			ID: r.int(0), Operation: array16(r.blob(1)), Lineage: array16(r.blob(2)), Subject: r.text(3), Everybody: r.int(4) != 0,
			Before: session.Mark(r.int(5)), Except: array16(r.blob(6)), Reason: r.text(7), Since: session.FromMillis(r.int(8)),
			Attempts: int(r.int(9)),
		})
		return nil
	}, num(ms(now)), num(limit))
	return out, err
}

// Outstanding reads what unconfirmed ends cover. See session.Store.
func (s reads) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	out := map[int64][]session.Lineage{}
	if err := s.ask(ctx, rdOutstanding, func(r row) error { out[r.int(0)] = nil; return nil }); err != nil {
		return nil, err
	}
	err := s.ask(ctx, rdCovered, func(r row) error {
		id := r.int(0)
		if covered, ok := out[id]; ok {
			out[id] = append(covered, array16(r.blob(1)))
		}
		return nil
	})
	return out, err
}
