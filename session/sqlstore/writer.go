package sqlstore

import (
	"context"
	"log/slog"
	"sync/atomic"

	"crossfade.dev/crossfade/session"
)

// batchSize bounds how many callers share a transaction, and so how long the first of them waits for the
// others' statements: some milliseconds.
const batchSize = 256

// writer is the one goroutine that writes.
type writer struct {
	*queue
	store *Store
	log   *slog.Logger
	tx    *tx
	ended chan struct{}

	failing atomic.Bool // a transaction has failed, and none that Writable tried has succeeded since
}

func startWriter(s *Store, log *slog.Logger) (*writer, error) {
	t, err := newTx(s.writing)
	if err != nil {
		return nil, err
	}
	w := &writer{queue: newQueue(batchSize, true, s.trouble), store: s, log: log, tx: t, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		w.run(w.commit)
	}()
	return w, nil
}

// stop writes what waits, and refuses what comes later.
func (w *writer) stop() {
	w.close()
	<-w.ended
}

// carry has the writer do some work.
func (w *writer) carry(ctx context.Context, work func(*tx) (session.Result, error)) (session.Result, error) {
	j := w.job()
	j.work = work
	return w.do(ctx, j)
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
	answer(batch, err)
}
