package endrun

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

const (
	// stepEvery is how soon a run gets on that somebody else has started, and how often an orphan is looked for.
	stepEvery = time.Second
	// leaseFor is how long a run waits for a process that has died. The lease is renewed every saveEvery.
	leaseFor  = 20 * time.Second
	saveEvery = 2 * time.Second
	// settle is longer than any write that was under way when a run started may take.
	settle = 15 * time.Second
	// keepFor is how long what is over stays in the list. The changelog has it for good.
	keepFor = 90 * 24 * time.Hour
)

// Event is what goes on record: a run was started, is done, or was cancelled.
type Event struct {
	Run    Run
	Author string // of the event
	Reason string
}

// Config is what a runner needs.
type Config struct {
	Store    session.Store // the manager's own: where records are sealed, what opens them
	Sessions *session.Manager
	Clock    func() time.Time
	Rand     io.Reader
	Log      *slog.Logger
	// Record puts an event on record, at least once each. Nil: nobody listens.
	Record func(context.Context, Event)
	// Pause waits; nil: by the wall clock.
	Pause func(context.Context, time.Duration) error
}

// Runner starts runs and works on them, together with the runners of other processes. It is safe for
// concurrent use.
type Runner struct {
	cfg   Config
	owner string
	mu    sync.Mutex    // one step at a time
	wake  chan struct{} // holds one word: a run was started here
	life  struct {
		mu   sync.Mutex
		stop context.CancelFunc
		done sync.WaitGroup
	}
}

// New makes a runner that does not work yet.
func New(cfg Config) *Runner {
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Record == nil {
		cfg.Record = func(context.Context, Event) {}
	}
	r := &Runner{cfg: cfg, wake: make(chan struct{}, 1)}
	var name [8]byte
	r.random(name[:])
	r.owner = hex.EncodeToString(name[:])
	return r
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (r *Runner) random(b []byte) {
	if _, err := io.ReadFull(r.cfg.Rand, b); err != nil {
		panic("endrun: no randomness: " + err.Error())
	}
}

func (r *Runner) now() time.Time { return r.cfg.Clock().Truncate(time.Millisecond).UTC() }

// Begin starts the work, until Stop. Beginning twice is beginning once.
func (r *Runner) Begin(ctx context.Context) {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.life.stop != nil {
		return
	}
	ctx, r.life.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.life.done.Go(func() {
		tick := time.NewTicker(stepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-r.wake:
			}
			r.work(ctx)
		}
	})
}

// Stop ends the work; another process, or the next start, goes on with it.
func (r *Runner) Stop() {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.life.stop != nil {
		r.life.stop()
		r.life.done.Wait()
		r.life.stop = nil
	}
}

// work takes steps as long as they get on.
func (r *Runner) work(ctx context.Context) {
	for {
		more, err := r.Step(ctx)
		if err != nil && ctx.Err() == nil {
			r.cfg.Log.WarnContext(ctx, "a run that ends sessions does not get on; it is tried again", "err", err)
		}
		if err != nil || !more {
			return
		}
	}
}

// Start puts a run on record. Some process begins with it within a second or two.
func (r *Runner) Start(ctx context.Context, o Order) (Run, error) {
	if err := o.Where.Check(); err != nil {
		return Run{}, err
	}
	if strings.TrimSpace(o.Reason) == "" || strings.TrimSpace(o.Author) == "" {
		return Run{}, fault.New(fault.Invalid, "a run that ends sessions needs an author and a reason")
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Rate < 1 || o.Rate > MaxRate {
		return Run{}, fault.New(fault.Invalid, "rate %d is not between 1 and %d sessions a second", o.Rate, MaxRate)
	}
	now := r.now()
	run := &Run{
		Where: o.Where, DryRun: o.DryRun, Author: cut(o.Author), Reason: cut(o.Reason), Rate: o.Rate,
		State: Running, Started: now, Pass: 1, PassAt: now,
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli())<<16)
	run.ID = ID(ms)
	r.random(run.ID[6:])
	switch err := r.save(ctx, run); {
	case errors.Is(err, session.ErrConflict): // two of one millisecond, and the same 16 bits
		return Run{}, fault.Wrap(err, fault.Conflict, "another run was started at the same moment").WithHint("try again")
	case err != nil:
		return Run{}, err
	}
	if !run.DryRun {
		r.cfg.Record(ctx, Event{Run: *run, Author: run.Author, Reason: run.Reason})
	}
	select {
	case r.wake <- struct{}{}:
	default: // it was told already
	}
	return *run, nil
}

func cut(s string) string { return s[:min(len(s), maxText)] }

// save writes a run's note; a conflict means that somebody else has.
func (r *Runner) save(ctx context.Context, run *Run) error {
	if _, err := r.cfg.Store.Commit(ctx, run.note()); err != nil {
		return trouble(err, "write the run")
	}
	run.version++
	return nil
}

func trouble(err error, doing string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, session.ErrConflict) {
		return err
	}
	return fault.Wrap(err, fault.CodeOf(err), "cannot %s", doing)
}

// runs reads all, oldest first.
func (r *Runner) runs(ctx context.Context, prefix string) ([]*Run, error) {
	notes, err := r.cfg.Store.Notes(ctx, notePrefix+prefix)
	if err != nil {
		return nil, trouble(err, "read the runs")
	}
	out := make([]*Run, 0, len(notes))
	for _, n := range notes {
		run, err := readRun(n)
		if err != nil {
			return nil, err
		}
		out = append(out, run)
	}
	return out, nil
}

// List gives the runs of the last months, newest first.
func (r *Runner) List(ctx context.Context) ([]Run, error) { return r.list(ctx, "") }

// Get gives one.
func (r *Runner) Get(ctx context.Context, id ID) (Run, error) {
	runs, err := r.list(ctx, id.String())
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 {
		return Run{}, fault.New(fault.NotFound, "no run %s", id).WithHint("crossfade session ends lists them")
	}
	return runs[0], nil
}

func (r *Runner) list(ctx context.Context, prefix string) ([]Run, error) {
	runs, err := r.runs(ctx, prefix)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	waiting, more, err := r.cfg.Sessions.OutstandingOf(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Run, 0, len(runs))
	for _, run := range slices.Backward(runs) {
		run.Outstanding = waiting[session.EndGroup(run.ID)]
		run.AtLeast = more && run.Outstanding > 0
		out = append(out, *run)
	}
	return out, nil
}

// Cancel stops a run. What it has ended stays ended. One that is over already is refused.
func (r *Runner) Cancel(ctx context.Context, id ID, author, reason string) (Run, error) {
	if strings.TrimSpace(author) == "" || strings.TrimSpace(reason) == "" {
		return Run{}, fault.New(fault.Invalid, "to cancel a run needs an author and a reason")
	}
	for {
		runs, err := r.runs(ctx, id.String())
		if err != nil {
			return Run{}, err
		}
		if len(runs) == 0 {
			return Run{}, fault.New(fault.NotFound, "no run %s", id).WithHint("crossfade session ends lists them")
		}
		run := runs[0]
		if run.State != Running {
			return Run{}, fault.New(fault.Precondition, "run %s is %s: there is nothing to cancel", id, run.State)
		}
		run.State, run.Finished, run.CancelledBy, run.Lease = Cancelled, r.now(), cut(author), Lease{}
		switch err := r.save(ctx, run); {
		case errors.Is(err, session.ErrConflict): // it got on meanwhile
			if ctx.Err() != nil {
				return Run{}, trouble(ctx.Err(), "cancel the run")
			}
			continue
		case err != nil:
			return Run{}, err
		}
		if !run.DryRun {
			r.cfg.Record(ctx, Event{Run: *run, Author: run.CancelledBy, Reason: cut(reason)})
		}
		return r.Get(ctx, id)
	}
}
