package sqlstore

import (
	"context"
	"fmt"
	"time"

	"crossfade.dev/crossfade/session"
)

// Commit carries operations out in one step of a shared transaction. See session.Store.
func (s *Store) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	j := &job{solo: len(ops) == 1 && single(ops[0])}
	j.work = func(t *tx) (res session.Result, err error) {
		for _, op := range ops {
			if err := t.apply(op, &res); err != nil {
				return session.Result{}, err
			}
		}
		return res, nil
	}
	return s.writer.do(ctx, j)
}

// single reports whether an operation writes with one statement.
func single(op session.Op) bool {
	switch op.(type) {
	case session.Insert, session.Update, session.PutKey:
		return true
	}
	return false
}

func (t *tx) apply(op session.Op, res *session.Result) error {
	switch op := op.(type) {
	case session.Insert:
		return t.insert(op.Record)
	case session.Update:
		return t.update(op.Record)
	case session.PutKey:
		return t.putKey(op.Key)
	case session.EndLineage:
		return t.endLineage(op, res)
	case session.EndSubject:
		return t.endSubject(op, res)
	case session.EndEverybody:
		return t.endEverybody(op, res)
	case session.ConfirmEnd:
		return t.confirmEnd(op)
	case session.FailEnd:
		return t.failEnd(op)
	}
	return fmt.Errorf("sqlstore: unknown operation %T", op)
}

func (t *tx) insert(r *session.Record) error {
	due := session.Millis(deadline(r.State, r.LastSeen.Add(r.Idle), r.ExpiresAt, r.Keep))
	n, err := t.exec(stInsert,
		r.ID[:], lineageArg(r), r.Generation, r.State, int64(r.Version), text(r.Subject), text(r.EndReason),
		ms(r.Created), ms(r.LastSeen), r.Idle.Milliseconds(), ms(r.ExpiresAt), int64(r.Born), ms(r.First), ms(r.Used),
		ms(r.Keep), r.Secret[:], bytesArg(r.Sealed), session.AppendHead(nil, r),
		due, bytesArg(session.AppendAttributes(nil, r.Attributes)),
		r.Lineage[:])
	if err != nil || n == 1 {
		return err
	}
	ended, err := t.tombstoned(r.Lineage)
	switch {
	case err != nil:
		return err
	case ended:
		return session.ErrEnded
	}
	return session.ErrConflict
}

func (t *tx) tombstoned(l session.Lineage) (bool, error) {
	rows, err := t.stmt[stTombstone].Query(l[:])
	if err != nil {
		return false, err
	}
	defer rows.Close()
	return rows.Next(), rows.Err()
}

func (t *tx) update(r *session.Record) error {
	args := []any{
		r.Generation, r.State, int64(r.Version), text(r.Subject), text(r.EndReason),
		ms(r.LastSeen), r.Idle.Milliseconds(), ms(r.ExpiresAt), int64(r.Born),
		ms(r.First), r.Secret[:], ms(r.Used), ms(r.Keep), r.Secret[:], bytesArg(r.Sealed), session.AppendHead(nil, r),
	}
	st := stUpdate
	if r.Attributes != nil {
		st = stUpdateAll
		args = append(args, bytesArg(session.AppendAttributes(nil, r.Attributes)))
	}
	n, err := t.exec(st, append(args, r.ID[:], int64(r.Version)-1)...)
	if err == nil && n != 1 {
		return session.ErrConflict
	}
	return err
}

func (t *tx) putKey(k session.Key) error {
	var moved []byte
	if !k.Moved.IsZero() {
		moved = k.Moved[:]
	}
	var n int64
	var err error
	if k.Version == 1 {
		n, err = t.exec(stPutNewKey, k.Hash[:], k.Lineage[:], k.Given, k.Closed, bytesArg(moved), ms(k.Presented), ms(k.Keep))
	} else {
		n, err = t.exec(stPutKey, k.Lineage[:], k.Given, k.Closed, bytesArg(moved), ms(k.Presented), ms(k.Keep), k.Hash[:], k.Version-1)
	}
	if err == nil && n != 1 {
		return session.ErrConflict
	}
	return err
}

// deadline is when no credential can need a record any more.
func deadline(state session.State, idle, expires, keep time.Time) time.Time {
	until := expires
	if state < session.StateMoved && idle.Before(until) {
		until = idle
	}
	if keep.After(until) {
		until = keep
	}
	return until
}

// lineageArg spares the column where the lineage is the id.
func lineageArg(r *session.Record) any {
	if r.Lineage == session.Lineage(r.ID) {
		return nil
	}
	return r.Lineage[:]
}

func ms(t time.Time) int64 { return session.Millis(t) }

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bytesArg makes NULL of nothing: an empty blob takes room, and a nil []byte in an any is not nil.
func bytesArg(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
