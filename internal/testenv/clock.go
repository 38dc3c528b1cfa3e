package testenv

import (
	"sync"
	"time"
)

// Clock is a clock that only moves when it is told to. Its Now method is what packages take as their
// clock. Safe for concurrent use. Code with timers is better tested in testing/synctest.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock stands at a fixed moment, the same in every run: 2026-03-01 12:00 UTC, a Sunday.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and returns the new time. A negative step is what a wrong clock does.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set moves the clock to a moment.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}
