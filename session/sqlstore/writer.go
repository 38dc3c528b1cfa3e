package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

const (
	// batchSize bounds how many callers share a transaction, and so how long the first of them waits for the
	// others' statements: some milliseconds.
	batchSize = 256
	// queueSize bounds who waits; beyond it callers wait at the door, with their own deadlines.
	queueSize = 4096
)

// job is one caller's write. The writer owns it from taken to done.
type job struct {
	work  func(*tx) (session.Result, error)
	solo  bool // one statement, which is atomic by itself: no savepoint needed
	taken atomic.Bool
	res   session.Result
	err   error
	done  chan struct{}
}

// writer is the one goroutine that writes.
type writer struct {
	store *Store
	log   *slog.Logger
	conn  *sql.Conn
	tx    *tx
	queue chan *job
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once
}

func startWriter(ctx context.Context, s *Store, log *slog.Logger) (*writer, error) {
	conn, err := s.writing.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t, err := newTx(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	w := &writer{
		store: s, log: log, conn: conn, tx: t,
		queue: make(chan *job, queueSize), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w, nil
}

// stop writes what is queued, and refuses what comes later.
func (w *writer) stop() error {
	w.once.Do(func() { close(w.quit) })
	<-w.ended
	for _, st := range w.tx.stmt {
		_ = st.Close() // a connection with open statements would keep its files open behind our back
	}
	return w.conn.Close()
}

var errClosed = fault.New(fault.Unavailable, "the session database is closed")

// do hands a job to the writer and waits until it is durable. A caller who gives up while the job still
// waits takes it back; once the writer has it, the answer is worth waiting for, because then it may be
// true already.
func (w *writer) do(ctx context.Context, j *job) (session.Result, error) {
	j.done = make(chan struct{})
	select {
	case <-w.quit:
		return session.Result{}, errClosed
	default:
	}
	select {
	case w.queue <- j:
	case <-w.quit:
		return session.Result{}, errClosed
	case <-ctx.Done():
		return session.Result{}, w.store.trouble(ctx.Err(), "write")
	}
	select {
	case <-j.done:
		return j.res, j.err
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return session.Result{}, w.store.trouble(ctx.Err(), "write")
		}
	case <-w.ended:
		// The writer may have gone between our look at quit and the queue; what it left there is ours again.
		if j.taken.CompareAndSwap(false, true) {
			return session.Result{}, errClosed
		}
	}
	<-j.done
	return j.res, j.err
}

func (w *writer) run() {
	defer close(w.ended)
	var batch []*job
	for {
		batch = batch[:0]
		select {
		case j := <-w.queue:
			batch = w.take(batch, j)
		case <-w.quit:
			for batch = w.gather(batch); len(batch) > 0; batch = w.gather(batch[:0]) {
				w.commit(batch)
			}
			return
		}
		batch = w.gather(batch)
		if len(batch) > 0 {
			w.commit(batch)
		}
	}
}

func (w *writer) take(batch []*job, j *job) []*job {
	if j.taken.CompareAndSwap(false, true) {
		batch = append(batch, j)
	}
	return batch
}

// gather adds who is waiting. Those who were answered a moment ago are on their way with their next write:
// yielding once lets them share this sync instead of waiting for the next.
func (w *writer) gather(batch []*job) []*job {
	for range 2 {
		for len(batch) < batchSize {
			select {
			case j := <-w.queue:
				batch = w.take(batch, j)
				continue
			default:
			}
			break
		}
		runtime.Gosched()
	}
	return batch
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
		err = w.store.trouble(err, "write")
		w.log.Error("sessions could not be written", "error", err, "writes", len(batch))
	}
	for _, j := range batch {
		if err != nil {
			j.res, j.err = session.Result{}, err
		}
		close(j.done)
	}
}

// refused reports whether a job failed for reasons of its own, with the transaction still sound.
func refused(err error) bool {
	return errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrEnded)
}
