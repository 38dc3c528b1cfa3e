package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

const (
	// outboxEvery is how soon legacy hears of an end: looking costs one atomic load while there is none.
	outboxEvery = 100 * time.Millisecond
	outboxBatch = 100
)

// ends is the part of the session manager that knows what legacy has still to be told.
type ends interface {
	Outstanding() int
	PendingEnds(ctx context.Context, limit int) ([]session.PendingEnd, error)
	ConfirmEnd(ctx context.Context, id int64) error
	FailEnd(ctx context.Context, id int64, cause string) error
}

// outbox tells legacy which sessions have ended, until it has confirmed each. Order and pauses between
// attempts are the session plane's; they survive a crash because they are in its store. It belongs to
// one Start and Stop.
type outbox struct {
	ends   ends
	bridge func() (legacy.Bridge, func()) // the bridge of now, and its release
	log    *slog.Logger
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// Start begins the work. It ends with Stop, not with ctx, whose values alone are used.
func (o *outbox) Start(ctx context.Context) {
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	o.done.Go(func() {
		tick := time.NewTicker(outboxEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				o.drain(ctx)
			}
		}
	})
}

// Stop waits for the call under way; what is left is told after the next start.
func (o *outbox) Stop() {
	if o.stop != nil {
		o.stop()
		o.done.Wait()
	}
}

// drain tells legacy everything that is due. A bridge that does not answer ends the round: the others
// would wait for the same deadline.
func (o *outbox) drain(ctx context.Context) {
	if o.ends.Outstanding() == 0 {
		return
	}
	due, err := o.ends.PendingEnds(ctx, outboxBatch)
	if err != nil {
		o.warn(ctx, "cannot read what legacy has to be told", err)
		return
	}
	bridge, release := o.bridge()
	defer release()
	for _, end := range due {
		if ctx.Err() != nil {
			return
		}
		err := o.tell(ctx, bridge, end)
		if fault.CodeOf(err) == fault.Unavailable {
			return
		}
	}
}

// tell makes one call and records how it went.
func (o *outbox) tell(ctx context.Context, bridge legacy.Bridge, end session.PendingEnd) error {
	answer, err := bridge.End(ctx, legacy.EndCall{
		Operation: end.Operation, Lineage: end.Lineage, Subject: end.Subject, Everybody: end.Everybody,
		Before: end.Before, Except: end.Except, Reason: end.Reason,
	})
	if ctx.Err() != nil {
		return ctx.Err() // stopping: the next start asks again under the same operation
	}
	if err == nil && answer.Unsupported != "" {
		err = fault.New(fault.Precondition, "legacy cannot do it: %s", answer.Unsupported)
	}
	if err == nil {
		if err := o.ends.ConfirmEnd(ctx, end.ID); err != nil {
			o.warn(ctx, "cannot record that legacy has confirmed an end", err)
		}
		return nil
	}
	o.log.WarnContext(ctx, "legacy has not confirmed an end; it is tried again", "end", end.ID, "reason", end.Reason,
		"attempts", end.Attempts+1, "since", end.Since, "err", err)
	if failed := o.ends.FailEnd(ctx, end.ID, err.Error()); failed != nil {
		o.warn(ctx, "cannot record that legacy did not confirm an end", failed)
	}
	return err
}

func (o *outbox) warn(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		o.log.WarnContext(ctx, what, "err", err)
	}
}

func (a *App) openOutbox() error {
	a.outbox = &outbox{ends: a.sessions, log: a.log, bridge: func() (legacy.Bridge, func()) {
		g := a.current.acquire()
		return g.bridge, g.release
	}}
	a.opens("outbox", func(context.Context) error { a.outbox.Stop(); return nil })
	return nil
}
