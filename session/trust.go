package session

import (
	"context"
	"sync/atomic"
	"time"
)

// DefaultBound is how long an ended session may still be served by a process that did not end it, where
// several share a store and nothing else is configured.
const DefaultBound = time.Second

// trust says as of when this process knows what others did. Nobody locks to read it.
type trust struct {
	asOf atomic.Pointer[time.Time] // every commit answered before it has taken effect here; nil: unknown
}

// vouch moves it on. It never goes back: what took effect stays.
func (t *trust) vouch(asOf time.Time) (before time.Time) {
	for {
		old := t.asOf.Load()
		if old != nil {
			before = *old
			if !asOf.After(before) {
				return before
			}
		}
		if t.asOf.CompareAndSwap(old, &asOf) {
			return before
		}
	}
}

func (t *trust) at() time.Time {
	if p := t.asOf.Load(); p != nil {
		return *p
	}
	return time.Time{}
}

// younger reports whether at is less than d ago, by the monotonic clock and by the wall's: the first stands
// still while a virtual machine is paused, the second can be set.
func younger(at, now time.Time, d time.Duration) bool {
	wall := now.Round(0).Sub(at.Round(0))
	return now.Sub(at) < d && wall < d && wall > -d
}

// belief is what a request may take from memory, decided before it looks there: what it finds has then
// seen every commit that was answered a bound before the request.
type belief struct {
	all   bool // whatever the watch tells of, and the marks
	marks bool // the marks, in any case
	exact bool // activity too: this process alone writes the store
	now   time.Time
	bound time.Duration
	asOf  time.Time // what is read from now on is known as of this time; zero, with exact: as of its reading
}

// fresh reports whether something in memory that is known as of at may be believed.
func (b *belief) fresh(at time.Time) bool { return b.all || younger(at, b.now, b.bound) }

// recent is fresh for what depends on activity, which no watch tells of: first uses, and the last one.
func (b *belief) recent(at time.Time) bool { return b.exact || younger(at, b.now, b.bound) }

func (m *Manager) belief(ctx context.Context) belief {
	strict := ctx.Value(strictly{}) != nil
	if m.cfg.CacheFor == 0 && !strict {
		return belief{all: true, marks: true, exact: true}
	}
	b := belief{now: m.clock(), bound: m.cfg.CacheFor, marks: m.watcher == nil}
	b.asOf = b.now
	switch {
	case strict:
		b.bound = 0
	case m.watcher == nil: // as of its reading, for as long as is configured
	default:
		if at := m.trust.at(); younger(at, b.now, b.bound) {
			b.all, b.marks, b.asOf = true, true, at
		}
	}
	return b
}

// reading is as of when something will be known that is about to be read.
func (m *Manager) reading(b belief) time.Time {
	if b.exact {
		return m.clock()
	}
	return b.asOf
}

// committing is as of when something will be known that is about to be written. A commit says nothing of marks.
func (m *Manager) committing() time.Time {
	if m.watcher != nil {
		return m.trust.at()
	}
	return m.clock()
}

// stale reports whether something known as of at may serve, marked as stale, while the store is down. What
// the watch vouched for since counts.
func (m *Manager) stale(ctx context.Context, at time.Time) bool {
	if ctx.Value(strictly{}) != nil {
		return false
	}
	if vouched := m.trust.at(); vouched.After(at) {
		at = vouched
	}
	return m.clock().Sub(at) < m.cfg.CacheFor+m.cfg.StaleFor
}

// strictly is the context key of who believes nothing in memory.
type strictly struct{}

// Strictly makes Resolve, Revoked and the calls that follow from them ask the store, past every cache and past
// what this process knows of marks: in force is then what was answered before the call. It costs a round
// trip each time, and while the store is down the answer is unknown, never stale.
func Strictly(ctx context.Context) context.Context {
	return context.WithValue(ctx, strictly{}, true)
}
