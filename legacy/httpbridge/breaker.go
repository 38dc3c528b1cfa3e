package httpbridge

import (
	"sync"
	"time"
)

// Breaker says when to stop asking a legacy system that does not answer. Zero values take the defaults.
type Breaker struct {
	Window   time.Duration // in which failures are counted; default 10 s
	Volume   int           // fewest calls in the window before it may open; default 10
	Failures float64       // share of failed calls at which it opens; default 0.5
	Open     time.Duration // how long it stays open before one call tries again; default 1 s
}

func (b Breaker) withDefaults() Breaker {
	if b.Window <= 0 {
		b.Window = 10 * time.Second
	}
	if b.Volume <= 0 {
		b.Volume = 10
	}
	if b.Failures <= 0 {
		b.Failures = 0.5
	}
	if b.Open <= 0 {
		b.Open = time.Second
	}
	return b
}

// breaker counts in two half windows, the current and the one before, so that old calls fade without
// being kept one by one.
type breaker struct {
	cfg Breaker

	mu        sync.Mutex
	turned    time.Time // when the current half began
	now, old  counts
	openUntil time.Time // zero: closed
	probing   bool      // after openUntil: one call is out
}

type counts struct{ calls, failed int }

func newBreaker(cfg Breaker) *breaker { return &breaker{cfg: cfg.withDefaults()} }

// allow reports whether a call may go out, and if not, after what time to ask again. Every allowed call
// must be followed by exactly one of done and forget.
func (b *breaker) allow(now time.Time) (ok bool, retry time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openUntil.IsZero() {
		return true, 0
	}
	if now.Before(b.openUntil) {
		return false, b.openUntil.Sub(now)
	}
	if b.probing {
		return false, b.cfg.Open
	}
	b.probing = true
	return true, 0
}

// done reports how an allowed call ended.
func (b *breaker) done(now time.Time, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.openUntil.IsZero() {
		b.settle(now, failed)
		return
	}
	b.turn(now)
	b.now.calls++
	if failed {
		b.now.failed++
	}
	calls, bad := b.now.calls+b.old.calls, b.now.failed+b.old.failed
	if failed && calls >= b.cfg.Volume && float64(bad) >= b.cfg.Failures*float64(calls) {
		b.openUntil, b.now, b.old = now.Add(b.cfg.Open), counts{}, counts{}
	}
}

// settle hears a call that ended while the breaker was open. Only the probe decides; a late answer to a
// call from before says nothing about now, unless it is good news.
func (b *breaker) settle(now time.Time, failed bool) {
	switch {
	case !failed:
		b.openUntil, b.probing = time.Time{}, false
		b.turned = now
	case b.probing:
		b.openUntil, b.probing = now.Add(b.cfg.Open), false
	}
}

// forget takes back an allowed call that says nothing about the legacy system, because the caller left.
func (b *breaker) forget() {
	b.mu.Lock()
	b.probing = false
	b.mu.Unlock()
}

func (b *breaker) turn(now time.Time) {
	half := b.cfg.Window / 2
	switch passed := now.Sub(b.turned); {
	case passed >= b.cfg.Window || passed < 0:
		b.turned, b.now, b.old = now, counts{}, counts{}
	case passed >= half:
		b.turned, b.old, b.now = b.turned.Add(half), b.now, counts{}
	}
}
