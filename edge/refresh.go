package edge

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"crossfade.dev/crossfade/session"
)

const (
	refreshAtOnce  = 4               // bridge calls at the same time
	refreshQueue   = 4096            // sessions that wait; about 0.5 MB
	refreshTries   = 60              // of one burst, with pauses that double: about an hour
	refreshPause   = time.Minute     // the longest of those pauses
	refreshRetries = 20              // per second, of all sessions together: what a bridge in trouble has to bear
	refreshClosing = 3 * time.Second // for what waits when the edge is closed
)

// refresher gives counterparts the data that their sessions were written with: one bridge call for a burst
// of writes, some time after its first. Nothing waits for it.
//
// It never decides whether a counterpart may still be written. Between the reading of the session here and
// the writing there the visitor may have logged out, gone back to legacy or written again; legacy alone
// can tell, under the lock of the key, by the version that comes along (legacy.Bridge, Restore).
type refresher struct {
	e       *Edge
	after   time.Duration
	retries *budget
	ctx     context.Context // of the calls; ends when closing has taken too long
	cancel  context.CancelFunc

	mu      sync.Mutex
	changed *sync.Cond // a call came back, or somebody gave up waiting
	known   map[session.ID]*refresh
	waiting refreshes
	running int
	timer   *time.Timer // nil: nothing was ever written
	closed  bool
}

// refresh is one session whose counterpart is behind.
type refresh struct {
	id    session.ID
	due   time.Time
	tries int  // that failed, of this burst
	at    int  // its place among those that wait; -1: its call is under way
	again bool // it was written while its call was under way
}

func newRefresher(e *Edge) *refresher {
	r := &refresher{e: e, after: e.cfg.Handover.CounterpartRefresh, retries: newBudget(refreshRetries, 1), known: map[session.ID]*refresh{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.changed = sync.NewCond(&r.mu)
	return r
}

// Written is to be told of every live login's session that was written; session.Manager's OnWrite does.
// It does not block.
func (e *Edge) Written(s *session.Session) {
	if e.refresher.after > 0 && s.LegacyKey != "" && !e.standings.now().finished {
		e.refresher.written(s.ID)
	}
}

// Refresh gives all counterparts that are behind their data now, whether or not their time has come, and
// returns when that was tried once, or ctx ends.
func (e *Edge) Refresh(ctx context.Context) { e.refresher.flush(ctx) }

func (r *refresher) written(id session.ID) {
	now := r.e.deps.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch x := r.known[id]; {
	case x == nil && (r.closed || len(r.known) >= refreshQueue):
		r.e.obs.Counted(CountRefreshDropped, 0)
		return
	case x == nil:
		r.wait(&refresh{id: id}, now.Add(r.after))
	case x.at < 0:
		x.again = true
	case x.tries > 0: // a burst of its own: it does not wait for the retry of the one before
		x.tries = 0
		if due := now.Add(r.after); due.Before(x.due) {
			x.due = due
			heap.Fix(&r.waiting, x.at)
		}
	}
	r.proceed(now)
}

func (r *refresher) wait(x *refresh, due time.Time) {
	x.due = due
	r.known[x.id] = x
	heap.Push(&r.waiting, x)
}

// proceed starts what is due, as far as there is room, and sets the timer for the rest. The lock is held.
func (r *refresher) proceed(now time.Time) {
	for r.running < refreshAtOnce && len(r.waiting) > 0 && !r.waiting[0].due.After(now) {
		x := heap.Pop(&r.waiting).(*refresh)
		r.running++
		go r.run(x)
	}
	if r.running == refreshAtOnce || len(r.waiting) == 0 {
		return // whoever comes back proceeds
	}
	pause := max(r.waiting[0].due.Sub(now), time.Millisecond)
	if r.timer == nil {
		r.timer = time.AfterFunc(pause, r.tick)
		return
	}
	r.timer.Reset(pause)
}

func (r *refresher) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proceed(r.e.deps.Clock())
}

func (r *refresher) run(x *refresh) {
	settled := r.e.refreshCounterpart(r.ctx, x.id)
	now := r.e.deps.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	x.tries++
	switch {
	case x.again:
		x.again, x.tries = false, 0
		due := now.Add(r.after)
		if r.closed {
			due = time.Time{}
		}
		r.wait(x, due)
	case settled:
		delete(r.known, x.id)
	case r.closed || x.tries == refreshTries:
		delete(r.known, x.id)
		r.e.obs.Counted(CountRefreshDropped, 0)
	default:
		r.wait(x, now.Add(r.pause(x.tries, now)))
	}
	r.proceed(now)
	r.changed.Broadcast()
}

// pause is how long to wait after so many failures.
func (r *refresher) pause(tries int, now time.Time) time.Duration {
	longest := max(r.after, refreshPause)
	if tries > 16 || !r.retries.take(now) {
		return longest
	}
	return min(r.after<<tries, longest)
}

// flush makes everything due and waits until each was tried.
func (r *refresher) flush(ctx context.Context) {
	defer context.AfterFunc(ctx, r.changed.Broadcast)()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.waiting {
		x.due = time.Time{} // all alike, so the order stands
	}
	r.proceed(r.e.deps.Clock())
	for ctx.Err() == nil && (r.running > 0 || len(r.waiting) > 0 && r.waiting[0].due.IsZero()) {
		r.changed.Wait()
	}
}

// close refreshes what waits, as far as that can be done soon.
func (r *refresher) close() {
	ctx, cancel := context.WithTimeout(context.Background(), refreshClosing)
	defer cancel()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.flush(ctx)
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.waiting {
		r.e.obs.Counted(CountRefreshDropped, 0)
	}
	r.waiting = nil
	if r.timer != nil {
		r.timer.Stop()
	}
	for r.running > 0 {
		r.changed.Wait()
	}
}

// refreshCounterpart makes one attempt. It reports whether there is nothing left to try.
func (e *Edge) refreshCounterpart(ctx context.Context, id session.ID) (settled bool) {
	now := e.deps.Clock()
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Handover.StoreDeadline+e.cfg.Handover.BridgeDeadline)
	defer cancel()
	outcome := "unreachable"
	defer func() {
		e.obs.Operated(Operated{Name: "refresh", Outcome: outcome, Duration: e.deps.Clock().Sub(now)})
	}()
	s, attributes, err := e.deps.Sessions.Read(ctx, id)
	switch {
	case err != nil && !isGone(err):
		e.obs.Counted(CountRefreshFailed, 0)
		return false
	case err != nil || s.State != session.StateLive || s.Kind != session.Authenticated || s.LegacyKey == "" ||
		!s.LegacyExpires.After(now) || e.standings.now().finished || e.deps.Sessions.Denied(s.Lineage):
		outcome = "gone"
		return true
	}
	if outcome, err = e.writeCounterpart(ctx, s, attributes, s.LegacyKey, s.LegacyExpires); err != nil && e.troubled.due(now) {
		e.deps.Log.Warn("a counterpart could not be refreshed", "session", id.String(), "error", firstLine(err))
	}
	switch outcome {
	case "done":
		e.obs.Counted(CountRefreshed, 0)
	case "unreachable", "unknown": // unknown: a login whose counterpart legacy has yet to record
		e.obs.Counted(CountRefreshFailed, 0)
		return false
	}
	return true
}

// refreshes is a heap by due time.
type refreshes []*refresh

func (q refreshes) Len() int           { return len(q) }
func (q refreshes) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q refreshes) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].at, q[j].at = i, j }
func (q *refreshes) Push(x any)        { r := x.(*refresh); r.at = len(*q); *q = append(*q, r) }
func (q *refreshes) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*q, x.at = old[:len(old)-1], -1
	return x
}
