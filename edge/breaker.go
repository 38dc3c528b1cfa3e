package edge

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	breakerVolume = 5           // failures in a row that open it
	breakerOpen   = time.Second // how long nobody asks; then one call tries
)

// breaker says when to stop asking a session store that does not answer. It is consulted only under the
// kill switch, where there is a way to serve without the store, and learns from every call.
type breaker struct {
	failures atomic.Int32 // in a row
	mu       sync.Mutex
	until    time.Time // open until then; zero: closed
	probing  bool      // one call is out to see
}

// allow reports whether the store may be asked.
func (b *breaker) allow(now time.Time) bool {
	if b.failures.Load() < breakerVolume {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return true
	}
	if now.Before(b.until) || b.probing {
		return false
	}
	b.probing = true
	b.until = now.Add(breakerOpen) // if the probe never reports, another goes out then
	return true
}

// report says how a call went.
func (b *breaker) report(ok bool, now time.Time) {
	if ok && b.failures.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if ok {
		b.failures.Store(0)
		b.until = time.Time{}
		return
	}
	if b.failures.Load() < breakerVolume {
		b.failures.Add(1)
	}
	if b.failures.Load() >= breakerVolume {
		b.until = now.Add(breakerOpen)
	}
}

// budget lets a number of operations through per second, with bursts of a few seconds' worth.
type budget struct {
	perSecond float64 // 0: no limit
	most      float64 // that it saves up
	mu        sync.Mutex
	left      float64
	at        time.Time
}

func newBudget(perSecond, burstSeconds int) *budget {
	most := float64(perSecond * burstSeconds)
	return &budget{perSecond: float64(perSecond), most: most, left: most}
}

func (b *budget) take(now time.Time) bool {
	if b.perSecond == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() && now.After(b.at) {
		b.left = min(b.most, b.left+now.Sub(b.at).Seconds()*b.perSecond)
	}
	if b.at.Before(now) {
		b.at = now
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// giveBack undoes a take.
func (b *budget) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.most, b.left+1)
}
