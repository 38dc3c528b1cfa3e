package edge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// patience is a context with a deadline that costs nothing until somebody waits for it: most calls are
// answered from memory and never look at Done. done must be called when the call has returned.
//
// Done and Err always agree, also after done: what was derived from it meanwhile, and outlives the call,
// is told that it was cancelled.
type patience struct {
	context.Context
	deadline time.Time
	once     sync.Once
	real     atomic.Pointer[deadlined] // set when somebody waits, or at done
}

type deadlined struct {
	context.Context
	cancel context.CancelFunc
}

func withPatience(ctx context.Context, limit time.Duration) *patience {
	deadline := time.Now().Add(limit)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	return &patience{Context: ctx, deadline: deadline}
}

func (p *patience) start() *deadlined {
	p.once.Do(func() {
		ctx, cancel := context.WithDeadline(p.Context, p.deadline)
		p.real.Store(&deadlined{ctx, cancel})
	})
	return p.real.Load()
}

func (p *patience) done() {
	p.once.Do(func() { p.real.Store(&over) }) // nobody waited: nothing to stop
	p.real.Load().cancel()
}

func (p *patience) Deadline() (time.Time, bool) { return p.deadline, true }

func (p *patience) Done() <-chan struct{} { return p.start().Done() }

func (p *patience) Err() error {
	if d := p.real.Load(); d != nil {
		return d.Err()
	}
	if err := p.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(p.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// over is what a patience is after done when nobody had waited.
var over = func() deadlined {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return deadlined{ctx, cancel}
}()
