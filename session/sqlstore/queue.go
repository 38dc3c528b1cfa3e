package sqlstore

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// job is one caller's write. A writer owns it from taken to done.
type job struct {
	steps []step                            // what Commit was asked for
	buf   []byte                            // of what the steps store
	work  func(*tx) (session.Result, error) // instead of steps, where there is a tx
	loose bool                              // the steps need not happen together
	taken atomic.Bool
	res   session.Result
	err   error
	done  chan struct{} // has room for the answer
}

// keptBuffer is the largest that a job keeps for the next.
const keptBuffer = 16 << 10

// job gives an empty one.
func (q *queue) job() *job {
	if j, ok := q.free.Get().(*job); ok {
		return j
	}
	return &job{done: make(chan struct{}, 1)}
}

// finish keeps a job that was answered, with its buffers, for another caller.
func (q *queue) finish(j *job) {
	clear(j.steps)
	j.steps, j.buf = j.steps[:0], j.buf[:0]
	if cap(j.buf) > keptBuffer {
		j.buf = nil
	}
	j.work, j.loose, j.res, j.err = nil, false, session.Result{}, nil
	j.taken.Store(false)
	q.free.Put(j)
}

// queue is where callers wait until a writer takes their writes, many at a time.
type queue struct {
	most    int  // jobs in a batch
	patient bool // what a writer has taken is waited for: its store answers, sooner or later
	trouble func(err error, doing string) error

	wake chan struct{} // holds one word: somebody waits, or the end has come
	free sync.Pool     // of *job

	mu      sync.Mutex
	waiting []*job
	closed  bool
}

func newQueue(most int, patient bool, trouble func(err error, doing string) error) *queue {
	return &queue{most: most, patient: patient, trouble: trouble, wake: make(chan struct{}, 1)}
}

// close refuses what comes later; what waits is written.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.rouse()
}

var errClosed = fault.New(fault.Unavailable, "the session database is closed")

// do hands a job to a writer and waits until it is durable. A caller who gives up while the job still
// waits takes it back. Once a writer has it, the answer is worth waiting for, because then it may be true
// already; unless the store may never answer.
func (q *queue) do(ctx context.Context, j *job) (session.Result, error) {
	if err := ctx.Err(); err != nil {
		return session.Result{}, q.trouble(err, "write")
	}
	if !q.put(j) {
		return session.Result{}, errClosed
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) || !q.patient {
			return session.Result{}, q.trouble(ctx.Err(), "write") // a writer passes it by, or has it still: not to be used again
		}
		<-j.done
	}
	res, err := j.res, j.err
	q.finish(j)
	return res, err
}

// put lets a job wait, unless the writers have ended or are about to: what waits is written.
func (q *queue) put(j *job) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	first := len(q.waiting) == 0
	q.waiting = append(q.waiting, j)
	q.mu.Unlock()
	if first {
		q.rouse()
	}
	return true
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default: // it was told already
	}
}

// run writes batch after batch until the queue is closed and empty. Each writer runs it.
func (q *queue) run(write func([]*job)) {
	batch := make([]*job, 0, q.most)
	for range q.wake {
		for q.pending() {
			if batch = q.gather(batch[:0]); len(batch) > 0 {
				if q.pending() {
					q.rouse() // another writer need not wait for this one
				}
				write(batch)
			}
			clear(batch) // what was answered belongs to others
		}
		if q.over() {
			q.rouse() // the other writers
			return
		}
	}
}

func (q *queue) pending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// over reports whether the end has come and nobody waits any more.
func (q *queue) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.waiting) == 0
}

// yields bounds how often a writer lets others go first while it gathers.
const yields = 4

// gather takes who waits. Those who were answered a moment ago are on their way with their next write:
// yielding as long as somebody comes lets them share this sync instead of waiting for the next.
func (q *queue) gather(batch []*job) []*job {
	for range yields {
		var came bool
		if batch, came = q.take(batch); !came {
			break
		}
		runtime.Gosched()
	}
	return batch
}

// take adds who waits, up to a batch, and passes by what was taken back.
func (q *queue) take(batch []*job) (_ []*job, came bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), q.most-len(batch))
	for _, j := range q.waiting[:n] {
		if j.taken.CompareAndSwap(false, true) {
			batch = append(batch, j)
		}
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
	return batch, n > 0
}

// answer tells everybody in a batch; err, if there is one, is everybody's.
func answer(batch []*job, err error) {
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
