package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// batchSize bounds how many callers share a transaction, and so how long the first of them waits for the
// others' statements: some milliseconds.
const batchSize = 256

// job is one caller's write. The writer owns it from taken to done.
type job struct {
	steps []step                            // what Commit was asked for
	buf   []byte                            // of what the steps store
	work  func(*tx) (session.Result, error) // instead of steps
	taken atomic.Bool
	res   session.Result
	err   error
	done  chan struct{} // has room for the answer
}

// keptBuffer is the largest that a job keeps for the next.
const keptBuffer = 16 << 10

// job gives an empty one.
func (w *writer) job() *job {
	if j, ok := w.free.Get().(*job); ok {
		return j
	}
	return &job{done: make(chan struct{}, 1)}
}

// finish keeps a job that was answered, with its buffers, for another caller.
func (w *writer) finish(j *job) {
	clear(j.steps)
	j.steps, j.buf = j.steps[:0], j.buf[:0]
	if cap(j.buf) > keptBuffer {
		j.buf = nil
	}
	j.work, j.res, j.err = nil, session.Result{}, nil
	j.taken.Store(false)
	w.free.Put(j)
}

// writer is the one goroutine that writes.
type writer struct {
	store *Store
	log   *slog.Logger
	tx    *tx
	ended chan struct{}
	wake  chan struct{} // holds one word: somebody waits, or the end has come
	free  sync.Pool     // of *job

	failing atomic.Bool // a transaction has failed, and none that Writable tried has succeeded since

	mu      sync.Mutex
	waiting []*job
	closed  bool
}

func startWriter(s *Store, log *slog.Logger) (*writer, error) {
	t, err := newTx(s.writing)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, log: log, tx: t, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
	go w.run()
	return w, nil
}

// stop writes what waits, and refuses what comes later.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.rouse()
	<-w.ended
}

var errClosed = fault.New(fault.Unavailable, "the session database is closed")

// do hands a job to the writer and waits until it is durable. A caller who gives up while the job still
// waits takes it back; once the writer has it, the answer is worth waiting for, because then it may be
// true already.
func (w *writer) do(ctx context.Context, j *job) (session.Result, error) {
	if err := ctx.Err(); err != nil {
		return session.Result{}, w.store.trouble(err, "write")
	}
	if !w.queue(j) {
		return session.Result{}, errClosed
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return session.Result{}, w.store.trouble(ctx.Err(), "write") // the writer passes it by: not to be used again
		}
		<-j.done
	}
	res, err := j.res, j.err
	w.finish(j)
	return res, err
}

// carry has the writer do some work.
func (w *writer) carry(ctx context.Context, work func(*tx) (session.Result, error)) (session.Result, error) {
	j := w.job()
	j.work = work
	return w.do(ctx, j)
}

// queue lets a job wait, unless the writer has ended or is about to: what waits is written.
func (w *writer) queue(j *job) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return false
	}
	first := len(w.waiting) == 0
	w.waiting = append(w.waiting, j)
	w.mu.Unlock()
	if first {
		w.rouse()
	}
	return true
}

func (w *writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default: // it was told already
	}
}

func (w *writer) run() {
	defer close(w.ended)
	batch := make([]*job, 0, batchSize)
	for range w.wake {
		for w.pending() {
			if batch = w.gather(batch[:0]); len(batch) > 0 {
				w.commit(batch)
			}
			clear(batch) // what was answered belongs to others
		}
		if w.over() {
			return
		}
	}
}

func (w *writer) pending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) > 0
}

// over reports whether the end has come and nobody waits any more.
func (w *writer) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed && len(w.waiting) == 0
}

// yields bounds how often the writer lets others go first while it gathers.
const yields = 4

// gather takes who waits. Those who were answered a moment ago are on their way with their next write:
// yielding as long as somebody comes lets them share this sync instead of waiting for the next.
func (w *writer) gather(batch []*job) []*job {
	for range yields {
		var came bool
		if batch, came = w.take(batch); !came {
			break
		}
		runtime.Gosched()
	}
	return batch
}

// take adds who waits, up to a batch, and passes by what was taken back.
func (w *writer) take(batch []*job) (_ []*job, came bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.waiting), batchSize-len(batch))
	for _, j := range w.waiting[:n] {
		if j.taken.CompareAndSwap(false, true) {
			batch = append(batch, j)
		}
	}
	w.waiting = slices.Delete(w.waiting, 0, n)
	return batch, n > 0
}

// commit writes a batch in one transaction and answers everybody in it. A job that fails leaves its
// neighbours alone; a transaction that fails is everybody's failure, and nobody's write.
func (w *writer) commit(batch []*job) {
	err := w.tx.begin()
	for i := 0; err == nil && i < len(batch); i++ {
		err = w.tx.one(batch[i])
	}
	if err == nil {
		err = w.tx.commit()
	}
	if err != nil {
		w.tx.rollback()
		w.failing.Store(true)
		err = w.store.trouble(err, "write")
		w.log.Error("sessions could not be written", "error", err, "writes", len(batch))
	}
	for _, j := range batch {
		if err != nil {
			j.res, j.err = session.Result{}, err
		}
		j.done <- struct{}{}
	}
}

// refused reports whether a job failed for reasons of its own, with the transaction still sound.
func refused(err error) bool {
	return errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrEnded)
}
