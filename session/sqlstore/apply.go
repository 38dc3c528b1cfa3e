package sqlstore

import (
	"context"
	"fmt"
	"time"

	"crossfade.dev/crossfade/session"
)

// Commit carries operations out in one step of a shared transaction. See session.Store.
func (s *Store) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	j := s.writer.job()
	for _, op := range ops {
		j.add(op)
	}
	return s.writer.do(ctx, j)
}

// step is an operation with what it stores encoded: callers do that side by side, the writer is alone.
type step struct {
	op               session.Op
	head, attributes []byte
}

// add makes an operation a part of the job.
func (j *job) add(op session.Op) {
	st := step{op: op}
	switch op := op.(type) {
	case session.Insert:
		st.encode(j, op.Record)
	case session.Update:
		st.encode(j, op.Record)
	}
	j.steps = append(j.steps, st)
}

// encode appends to the job's buffer. What was encoded before stays where it is when that grows.
func (st *step) encode(j *job, r *session.Record) {
	from := len(j.buf)
	j.buf = session.AppendHead(j.buf, r)
	middle := len(j.buf)
	j.buf = session.AppendAttributes(j.buf, r.Attributes)
	st.head, st.attributes = j.buf[from:middle:middle], j.buf[middle:]
}

// solo reports whether a job is one statement, which is atomic by itself and needs no savepoint.
func (j *job) solo() bool {
	if len(j.steps) != 1 {
		return false
	}
	switch j.steps[0].op.(type) {
	case session.Insert, session.Update, session.PutKey, session.PutNote:
		return true
	}
	return false
}

func (t *tx) apply(st *step, res *session.Result) error {
	switch op := st.op.(type) {
	case session.Insert:
		return t.insert(op.Record, st)
	case session.Update:
		return t.update(op.Record, st)
	case session.PutKey:
		return t.putKey(op.Key)
	case session.PutNote:
		return t.putNote(op.Note)
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
	return fmt.Errorf("sqlstore: unknown operation %T", st.op)
}

func (t *tx) insert(r *session.Record, st *step) error {
	switch ended, err := t.tombstoned(&r.Lineage); {
	case err != nil:
		return err
	case ended:
		return session.ErrEnded
	}
	due := session.Millis(deadline(r.State, r.LastSeen.Add(r.Idle), r.ExpiresAt, r.Keep))
	t.args = append(t.args[:0],
		blob(r.ID[:]), lineageArg(r), num(r.Generation), num(r.State), num(r.Version), text(r.Subject), text(r.EndReason),
		num(ms(r.Created)), num(ms(r.LastSeen)), num(r.Idle.Milliseconds()), num(ms(r.ExpiresAt)), num(r.Born), num(ms(r.First)),
		num(ms(r.Used)), num(ms(r.Keep)), blob(r.Secret[:]), blob(r.Sealed), blob(st.head),
		num(due), blob(st.attributes))
	n, err := t.exec(stInsert, t.args...)
	if err == nil && n != 1 {
		return session.ErrConflict
	}
	return err
}

func (t *tx) tombstoned(l *session.Lineage) (bool, error) {
	t.args = append(t.args[:0], blob(l[:]))
	t.found = false
	err := t.query(stTombstone, t.find, t.args...)
	return t.found, err
}

func (t *tx) update(r *session.Record, st *step) error {
	t.args = append(t.args[:0],
		num(r.Generation), num(r.State), num(r.Version), text(r.Subject), text(r.EndReason),
		num(ms(r.LastSeen)), num(r.Idle.Milliseconds()), num(ms(r.ExpiresAt)), num(r.Born),
		num(ms(r.First)), blob(r.Secret[:]), num(ms(r.Used)), num(ms(r.Keep)), blob(r.Secret[:]), blob(r.Sealed), blob(st.head))
	say := stUpdate
	if r.Attributes != nil {
		say = stUpdateAll
		t.args = append(t.args, blob(st.attributes))
	}
	t.args = append(t.args, blob(r.ID[:]), num(r.Version-1))
	n, err := t.exec(say, t.args...)
	if err == nil && n != 1 {
		return session.ErrConflict
	}
	return err
}

func (t *tx) putKey(k session.Key) error {
	var moved value
	if !k.Moved.IsZero() {
		moved = blob(k.Moved[:])
	}
	var n int64
	var err error
	if k.Version == 1 {
		n, err = t.exec(stPutNewKey, blob(k.Hash[:]), blob(k.Lineage[:]), flag(k.Given), flag(k.Closed), moved, num(ms(k.Presented)), num(ms(k.Keep)))
	} else {
		n, err = t.exec(stPutKey, blob(k.Lineage[:]), flag(k.Given), flag(k.Closed), moved, num(ms(k.Presented)), num(ms(k.Keep)), blob(k.Hash[:]), num(k.Version-1))
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
func lineageArg(r *session.Record) value {
	if r.Lineage == session.Lineage(r.ID) {
		return value{}
	}
	return blob(r.Lineage[:])
}

func ms(t time.Time) int64 { return session.Millis(t) }
