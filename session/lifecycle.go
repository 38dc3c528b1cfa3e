package session

import (
	"context"
	"sync"
	"time"
)

const (
	// flushEvery is how late activity may reach the store: what a crash may forget.
	flushEvery = time.Second
	// sweepEvery and sweepBatch: expired rows go in small deletes, so that no write waits behind a large one.
	sweepEvery = 30 * time.Second
	sweepBatch = 200
	// sweepPause lets other writers in between batches while there is much to clean up.
	sweepPause = 20 * time.Millisecond
)

// lifecycle belongs to one Start and Stop at a time.
type lifecycle struct {
	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
}

// Start begins the work behind the requests: writing activity down, cleaning up, and watching a store that
// other processes write too. Until then nothing in memory is believed that they could have changed. Starting twice is
// starting once. ctx ends it as Stop does, but Stop also writes what is waiting.
func (m *Manager) Start(ctx context.Context) {
	m.life.mu.Lock()
	defer m.life.mu.Unlock()
	if m.life.stop != nil {
		return
	}
	ctx, m.life.stop = context.WithCancel(ctx)
	m.life.done.Go(func() { m.every(ctx, flushEvery, m.flush) })
	m.life.done.Go(func() { m.every(ctx, sweepEvery, m.sweep) })
	m.life.done.Go(func() { m.every(ctx, sweepEvery, m.sweepAllAttributes) })
	if m.watcher != nil {
		m.life.done.Go(func() { m.keepWatch(ctx) })
		m.life.done.Go(func() { m.every(ctx, deniedEvery, m.forgetConfirmed) })
	}
}

// Stop ends the background work and writes down the activity that is waiting, within ctx. Stopping what
// does not run does that last part only. A stopped manager still serves, and may be started again.
func (m *Manager) Stop(ctx context.Context) {
	m.life.mu.Lock()
	defer m.life.mu.Unlock()
	if m.life.stop != nil {
		m.life.stop()
		m.life.done.Wait()
		m.life.stop = nil
	}
	m.flush(ctx)
}

func (m *Manager) every(ctx context.Context, d time.Duration, work func(context.Context)) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			work(ctx)
		}
	}
}

func (m *Manager) flush(ctx context.Context) {
	if err := m.touches.write(ctx, m.store); err != nil && ctx.Err() == nil {
		m.log.Warn("session activity could not be written; it will be tried again", "error", err)
	}
}

func (m *Manager) sweep(ctx context.Context) {
	for {
		n, err := m.store.Sweep(ctx, m.now(), sweepBatch)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				m.log.Warn("expired sessions could not be cleaned up; it will be tried again", "error", err)
			}
			return
		case n == 0:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPause):
		}
	}
}
