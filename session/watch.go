package session

import (
	"context"
	"time"
)

// Watcher is what a store can do that several processes share: it tells each of them what all commit, so
// that their caches can be trusted. A store that only one process writes to needs none.
//
// The suite in sessiontest (RunWatcher) states it as tests.
type Watcher interface {
	// Watch tells w about commits until ctx ends; then it returns ctx's error, and w is not called any more. A
	// lost connection it makes anew by itself, with pauses that grow, and it may return early only for what no
	// retry can mend.
	Watch(ctx context.Context, w Watching) error
}

// Watching is told by a [Watcher]. The calls come one at a time.
type Watching interface {
	// Now is the clock that Alive is measured by.
	Now() time.Time
	// Began: every commit that is answered from now on will be told, whoever makes it. What happened before
	// may never be. It comes first, and again after each gap; an error means that w is not ready, and the
	// watcher begins again. It reads the store (Marks, Outstanding), so it must not be called on the only
	// connection or under a lock that reads need.
	Began(ctx context.Context) error
	// Changed tells of commits, at least once, those on one record in their order; reads that begin after it
	// see what it tells of. Activity (Store.Touch) is not told.
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
	Records  []Stored    // inserted, updated or ended
	Keys     []KeyHash   // put
	Lineages []Lineage   // have a tombstone now
	Marks    []DrawnMark // were drawn
}

// Stored names a record as a commit left it.
type Stored struct {
	ID ID
	// Version is the record's from that commit on. 0: not known. Who has this version or a newer one in
	// memory need not read it again; with 0 they do.
	Version uint64
}

// DrawnMark is a revocation mark of a subject, or with an empty subject of everybody.
type DrawnMark struct {
	Mark    Mark
	Subject string
}

// Judge is what a shared store can do besides, and each should: read all that a token is held against at
// once. It is asked on a request's path, in strict mode and while the watch is lost, when the marks in memory
// prove nothing. Without it the manager reads all marks each time.
type Judge interface {
	// Judged reads a record and what it is held against, in one round trip where the store can. subject is
	// whose record it was when the caller saw it last, empty if it never did: a store that keeps marks
	// elsewhere than records asks for both at once. It is a guess; the answer is about the record's own.
	Judged(ctx context.Context, id ID, subject string) (Judged, error)
	// Against reads Sequence and Global, and of Subjects only the one that is named, if it has a mark.
	Against(ctx context.Context, subject string) (Marks, error)
}

// Judged is what a [Judge] reads.
type Judged struct {
	Record *Record // as Head gives it; nil: there is none
	// Ended, without a record: the lineage of the guest that this id would be, Lineage(id), has a tombstone.
	Ended bool
	// Marks holds Sequence and Global, and of Subjects only the record's, if it has a mark. They are of the
	// same moment as the record or, if that cannot be had, of before it but not of before the call: a record
	// that is born again at a mark (EndSubject.Except) must never be seen older than that mark.
	Marks Marks
}
