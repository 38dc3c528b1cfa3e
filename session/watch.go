package session

import (
	"context"
	"time"
)

// Watcher is what a store can do that several processes share: it tells each of them what all commit, so
// that their caches can be trusted. A store that only one process writes to needs none.
type Watcher interface {
	// Watch tells w about commits until ctx ends; then it returns ctx's error. A lost connection it makes
	// anew by itself, with pauses that grow, and it may return early only for what no retry can mend.
	Watch(ctx context.Context, w Watching) error
}

// Watching is told by a [Watcher]. The calls come one at a time.
type Watching interface {
	// Now is the clock that Alive is measured by.
	Now() time.Time
	// Began: every commit that is answered from now on will be told, whoever makes it. What happened before
	// may never be. It comes first, and again after each gap; an error means that w is not ready, and the
	// watcher begins again.
	Began(ctx context.Context) error
	// Changed tells of commits, at least once, those on one record in their order. Activity (Store.Touch)
	// is not told.
	Changed(Change)
	// Alive: every commit that was answered before asOf has been told. asOf was taken from Now before the
	// store was asked for a sign of life, so a connection that is dead but not closed yields none. It comes
	// several times a second.
	Alive(asOf time.Time)
	// Lost: nothing is told any more until Began.
	Lost(cause error)
}

// Change is what commits mean to caches.
type Change struct {
	Records  []ID        // inserted, updated or ended
	Keys     []KeyHash   // put
	Lineages []Lineage   // have a tombstone now
	Marks    []DrawnMark // were drawn
}

// DrawnMark is a revocation mark of a subject, or with an empty subject of everybody.
type DrawnMark struct {
	Mark    Mark
	Subject string
}
