package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// writeWithin bounds one batch: a server that hangs is given up, and what waits for it answered.
const writeWithin = 10 * time.Second

// Commit carries operations out in one step of a shared transaction. See session.Store.
func (p *Postgres) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	j := p.queue.job()
	for _, op := range ops {
		j.add(op)
	}
	return p.do(ctx, j)
}

// Touch merges activity. See session.Store.
func (p *Postgres) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	var ops []session.Op
	for i := range touches {
		ops = append(ops, touchOp{Touch: &touches[i]})
		if touches[i].Unseal {
			ops = append(ops, unsealOp{id: &touches[i].ID})
		}
	}
	for i := range keys {
		ops = append(ops, touchKeyOp{KeyTouch: &keys[i]})
	}
	for some := range slices.Chunk(ops, 4*pgBatch) {
		j := p.queue.job()
		j.loose = true
		for _, op := range some {
			j.add(op)
		}
		if _, err := p.do(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// do waits for a job's answer. What no text can hold is refused before it could spoil a batch.
func (p *Postgres) do(ctx context.Context, j *job) (session.Result, error) {
	for i := range j.steps {
		o, err := j.steps[i].operation()
		if err != nil {
			return session.Result{}, err
		}
		for _, v := range o {
			if v.kind == kindText && (!utf8.ValidString(v.text) || strings.Contains(v.text, "\x00")) {
				return session.Result{}, fault.New(fault.Invalid, "a text with bytes that are not UTF-8, or zero, cannot be stored")
			}
		}
	}
	return p.queue.do(ctx, j)
}

// write sends a batch and answers everybody in it. A server that takes offence at the whole of it, for what one
// caller wants, is asked caller by caller.
func (p *Postgres) write(batch []*job) {
	err := p.try(batch)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && len(batch) > 1 && !everybodys(e) {
		for _, j := range batch {
			p.write([]*job{j})
		}
		return
	}
	if err != nil {
		err = p.failed(err)
	} else {
		p.succeeded()
	}
	answer(batch, err)
}

// failed notes that writing does not work, and says so once.
func (p *Postgres) failed(err error) error {
	err = p.trouble(err, "write")
	if !p.failing.Swap(true) {
		p.log.Error("sessions cannot be written", "error", err)
	}
	return err
}

func (p *Postgres) succeeded() {
	if p.failing.Swap(false) {
		p.log.Info("sessions can be written again")
	}
}

// tries bounds how often a batch is sent. It lost to another process (a deadlock, which the server breaks), or
// never left this one.
const tries = 4

func (p *Postgres) try(batch []*job) (err error) {
	b, _ := batches.Get().(*pgBatchOf)
	if b == nil {
		b = &pgBatchOf{}
	}
	defer batches.Put(b)
	b.fill(batch)
	ctx, cancel := context.WithTimeout(context.Background(), writeWithin)
	defer cancel()
	for range tries {
		err = b.send(ctx, p.pool)
		if err == nil || !lostRace(err) && !pgconn.SafeToRetry(err) {
			return err
		}
	}
	return err
}

// unit is what happens together or not at all: a job, or a piece of a loose one.
type unit struct {
	job         *job
	first, last int // its steps
	draws       bool
	key         session.ID
}

// pgBatchOf is a batch in the form that commit_1 takes.
type pgBatchOf struct {
	units   []unit
	locks   [2]pgArray // shared, alone
	lasts   pgArray
	columns [opColumns]pgArray
	params  [][]byte
}

var batches sync.Pool // of *pgBatchOf, for their buffers

// fill puts the batch into an order in which rows are locked the same way everywhere: who draws a mark first, the
// others by their first record.
func (b *pgBatchOf) fill(batch []*job) {
	clear(b.units[:cap(b.units)])
	b.units = b.units[:0]
	for _, j := range batch {
		if !j.loose {
			b.units = append(b.units, unitOf(j, 0, len(j.steps)))
			continue
		}
		for i := range j.steps {
			b.units = append(b.units, unitOf(j, i, i+1))
		}
	}
	slices.SortStableFunc(b.units, func(x, y unit) int {
		if x.draws != y.draws {
			return map[bool]int{true: -1, false: 1}[x.draws]
		}
		return bytes.Compare(x.key[:], y.key[:])
	})
	b.encode()
}

func unitOf(j *job, first, last int) unit {
	u := unit{job: j, first: first, last: last}
	for i := first; i < last; i++ {
		switch op := j.steps[i].op.(type) {
		case session.EndSubject, session.EndEverybody:
			u.draws = true
		case session.Insert:
			u.key = cmp.Or(u.key, op.Record.ID)
		case session.Update:
			u.key = cmp.Or(u.key, op.Record.ID)
		case session.EndLineage:
			u.key = cmp.Or(u.key, session.ID(op.Lineage))
		case touchOp:
			u.key = op.ID
		case unsealOp:
			u.key = *op.id
		}
	}
	return u
}

func (b *pgBatchOf) encode() {
	for _, a := range []*pgArray{&b.locks[0], &b.locks[1], &b.lasts} {
		a.reset()
	}
	for i := range b.columns {
		b.columns[i].reset()
	}
	place := int32(0)
	for _, u := range b.units {
		for i := u.first; i < u.last; i++ {
			st := &u.job.steps[i]
			o, _ := st.operation() // looked at before, see do
			for c := range o {
				b.columns[c].add(&o[c])
			}
			if lock, alone, some := st.stripe(); some {
				b.locks[map[bool]int{true: 1}[alone]].addInt4(lock)
			}
			place++
		}
		b.lasts.addInt4(place)
	}
	b.params = append(b.params[:0], b.locks[0].bytes(oidInt4), b.locks[1].bytes(oidInt4), b.lasts.bytes(oidInt4))
	for i := range b.columns {
		b.params = append(b.params, b.columns[i].bytes(opTypes[i]))
	}
}

// send has the server carry the batch out, and gives every job its answer, which is no answer before the
// statement has ended well.
func (b *pgBatchOf) send(ctx context.Context, pool *pgPool) error {
	n := 0
	err := pool.send(ctx, pgCommit, b.params, func(r row) error {
		if n == len(b.units) {
			return errSaid
		}
		u := b.units[n]
		n++
		u.job.res, u.job.err = session.Result{}, nil
		switch r.int(0) {
		case 0:
			s, err := readSaid(r.blob(1))
			if err != nil {
				return err
			}
			u.job.res = s.result()
		case 1:
			u.job.err = session.ErrConflict
		default:
			u.job.err = session.ErrEnded
		}
		return nil
	})
	if err == nil && n != len(b.units) {
		err = errSaid
	}
	return err
}

// Sweep deletes what no credential can need any more. See session.Store. Several processes may sweep at once.
func (p *Postgres) Sweep(ctx context.Context, now time.Time, limit int) (looked int, err error) {
	count := func(r row) error { looked += int(r.int(0)); return nil }
	for _, st := range []pgStatement{pgSweepSessions, pgSweepTombstones, pgSweepKeys} {
		if err := p.pool.run(ctx, st, []value{num(ms(now)), num(limit)}, count); err != nil {
			return 0, p.trouble(err, "sweep")
		}
	}
	if err := p.pool.run(ctx, pgSweepMarks, []value{num(ms(now.Add(-session.MaxLife)))}, nil); err != nil {
		return 0, p.trouble(err, "sweep")
	}
	return looked, nil
}
