package edge

import (
	"context"
	"sync"
	"time"
)

// patience is a context with a deadline that costs nothing until somebody waits for it: most calls are
// answered from memory and never look at Done. done must be called when the call has returned.
type patience struct {
	context.Context
	deadline time.Time
	once     sync.Once
	real     context.Context
	cancel   context.CancelFunc
}

func withPatience(ctx context.Context, limit time.Duration) *patience {
	deadline := time.Now().Add(limit)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	return &patience{Context: ctx, deadline: deadline}
}

func (p *patience) start() {
	p.once.Do(func() { p.real, p.cancel = context.WithDeadline(p.Context, p.deadline) })
}

func (p *patience) done() {
	p.once.Do(func() {}) // nobody waited: nothing to stop
	if p.cancel != nil {
		p.cancel()
	}
}

func (p *patience) Deadline() (time.Time, bool) { return p.deadline, true }

func (p *patience) Done() <-chan struct{} {
	p.start()
	if p.real == nil {
		return closed
	}
	return p.real.Done()
}

func (p *patience) Err() error {
	if err := p.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(p.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// closed is what Done answers after done: whoever still asks has been left.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
