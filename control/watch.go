package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"crossfade.dev/crossfade/rollout"
)

// watcher is one edge in this process. Its calls are serial and in the order of versions; one that is
// overtaken by a newer snapshot is left out.
type watcher struct {
	mu   sync.Mutex
	call func(*rollout.Snapshot)
	seen uint64
}

func (w *watcher) see(s *rollout.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Version() > w.seen {
		w.call(s)
		w.seen = s.Version()
	}
}

// note is one watcher being told; done is closed when it has obeyed.
type note struct{ done chan struct{} }

// Watch calls f with the present snapshot before it returns, and again after every change, until stop.
// When f returns, the edge has acknowledged: no request that it planned under an older snapshot can
// still write cookies. A slow f delays nobody but the report of a kill. Heartbeats are not told:
// [Control.Snapshot] shows them.
func (c *Control) Watch(f func(*rollout.Snapshot)) (stop func()) {
	w := &watcher{call: f}
	c.watching.Lock()
	c.watchers = append(c.watchers, w)
	c.watching.Unlock()
	w.see(c.Snapshot())
	return func() {
		c.watching.Lock()
		defer c.watching.Unlock()
		c.watchers = slices.DeleteFunc(c.watchers, func(other *watcher) bool { return other == w })
	}
}

// publish swaps the snapshot in and tells the watchers, each on its own goroutine.
func (c *Control) publish(s *rollout.Snapshot) []*note {
	c.snapshot.Store(s)
	c.watching.Lock()
	defer c.watching.Unlock()
	notes := make([]*note, 0, len(c.watchers))
	for _, w := range c.watchers {
		n := &note{done: make(chan struct{})}
		notes = append(notes, n)
		c.notes.Go(func() {
			defer close(n.done)
			w.see(s)
		})
	}
	return notes
}

// obeyed waits until the watchers have acknowledged, and counts those that did not in time.
func (c *Control) obeyed(ctx context.Context, notes []*note) (outstanding int) {
	timeout := time.NewTimer(c.cfg.AckTimeout)
	defer timeout.Stop()
	for i, n := range notes {
		select {
		case <-n.done:
			continue
		case <-timeout.C:
		case <-ctx.Done():
		}
		for _, late := range notes[i:] {
			select {
			case <-late.done:
			default:
				outstanding++
			}
		}
		return outstanding
	}
	return 0
}
