package endrun

import (
	"context"
	"errors"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

const (
	// pageSize is how many records are read at a time, pagePause what others get in between.
	pageSize  = 200
	pagePause = 2 * time.Millisecond
	// hands end sessions side by side, so that a store can write them together.
	hands = 8
	// maxSamples is how many ids a run shows.
	maxSamples = 10
)

// Step takes each run on by a page that this process works on, or may. It reports whether there is more to do at
// once. One that does not get on does not keep the others.
func (r *Runner) Step(ctx context.Context) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	runs, err := r.runs(ctx, "")
	if err != nil {
		return false, err
	}
	var errs []error
	for _, run := range runs {
		if run.State.Over() {
			errs = append(errs, r.forget(ctx, run))
			continue
		}
		if run.Lease.Owner != r.owner && r.now().Before(run.Lease.Until) {
			continue // another process works on it
		}
		on, err := r.take(ctx, run)
		if errors.Is(err, session.ErrConflict) {
			on, err = true, nil // cancelled, or taken over: look again
		}
		more = more || on
		errs = append(errs, err)
	}
	return more, errors.Join(errs...)
}

// forget deletes what nobody asks for any more. Of several processes one does.
func (r *Runner) forget(ctx context.Context, run *Run) error {
	if r.now().Before(run.Finished.Add(keepFor)) {
		return nil
	}
	note := run.note()
	note.Note.Value = nil
	if _, err := r.cfg.Store.Commit(ctx, note); !errors.Is(err, session.ErrConflict) {
		return err
	}
	return nil
}

// take works on a run. What goes wrong is said in the run, where somebody waits for it.
func (r *Runner) take(ctx context.Context, run *Run) (more bool, err error) {
	if err := r.hold(ctx, run); err != nil {
		return false, err
	}
	if run.State == Confirming {
		return false, r.confirm(ctx, run)
	}
	if r.now().Before(run.PassAt) {
		return false, nil // what was under way at the start may still be
	}
	more, err = r.page(ctx, run)
	if err == nil || errors.Is(err, session.ErrConflict) || ctx.Err() != nil {
		return more, err
	}
	run.Trouble, _ = fault.Public(err)
	if saved := r.save(ctx, run); saved != nil {
		return false, errors.Join(err, saved)
	}
	return false, err
}

// hold takes the lease, or renews it when a good part of it is over.
func (r *Runner) hold(ctx context.Context, run *Run) error {
	now := r.now()
	if run.Lease.Owner == r.owner && now.Before(run.Lease.Until.Add(saveEvery-leaseFor)) {
		return nil
	}
	run.Lease = Lease{Owner: r.owner, Until: now.Add(leaseFor)}
	return r.save(ctx, run)
}

// page looks at one page and goes on to the next.
func (r *Runner) page(ctx context.Context, run *Run) (more bool, err error) {
	recs, next, err := r.cfg.Store.Scan(ctx, run.Cursor, pageSize)
	if fault.CodeOf(err) == fault.Invalid && run.Cursor != "" {
		run.Cursor = "" // the store knows the place no more: once more from the beginning
		return true, r.save(ctx, run)
	}
	if err != nil {
		return false, trouble(err, "read the sessions")
	}
	var found []*session.Record
	for _, rec := range recs {
		if r.cfg.Sessions.Endable(rec) && run.match(rec) {
			found = append(found, rec)
		}
	}
	if err := r.end(ctx, run, found); err != nil {
		return false, err
	}
	run.Scanned += uint64(len(recs))
	run.Trouble, run.Cursor = "", next
	if next == "" {
		r.passed(run)
	}
	run.Lease = Lease{Owner: r.owner, Until: r.now().Add(leaseFor)}
	if err := r.save(ctx, run); err != nil {
		return false, err
	}
	return run.State == Running, r.cfg.Pause(ctx, pagePause)
}

// passed is the end of a reading of the whole store.
func (r *Runner) passed(run *Run) {
	settled := run.Started.Add(settle)
	switch {
	case run.DryRun:
		run.State, run.Finished = Done, r.now()
	case run.PassAt.Before(settled):
		run.Pass, run.PassAt = run.Pass+1, r.now()
		if run.PassAt.Before(settled) {
			run.PassAt = settled
		}
	default:
		run.State = Confirming
	}
}

// confirm asks whether legacy has all of it.
func (r *Runner) confirm(ctx context.Context, run *Run) error {
	waiting, _, err := r.cfg.Sessions.OutstandingOf(ctx)
	if err != nil || waiting[session.EndGroup(run.ID)] > 0 {
		return err
	}
	run.State, run.Finished, run.Lease = Done, r.now(), Lease{}
	if err := r.save(ctx, run); err != nil {
		return err
	}
	r.cfg.Record(ctx, Event{Run: *run, Author: run.Author, Reason: run.Reason})
	return nil
}

// end ends what a page has, no faster than the run's rate, and looks every saveEvery whether it still should.
func (r *Runner) end(ctx context.Context, run *Run, found []*session.Record) error {
	for len(found) > 0 {
		n := min(len(found), hands, max(run.Rate/10, 1))
		ended, err := r.endSome(ctx, run, found[:n])
		run.Ended += ended
		if run.Matched += ended; run.DryRun {
			run.Matched += uint64(n)
		}
		for _, rec := range found[:n] {
			if len(run.Samples) < maxSamples {
				run.Samples = append(run.Samples, rec.ID.String())
			}
		}
		if err != nil {
			return err
		}
		found = found[n:]
		if run.DryRun {
			continue
		}
		if err := r.cfg.Pause(ctx, time.Duration(n)*time.Second/time.Duration(run.Rate)); err != nil {
			return err
		}
		if err := r.hold(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) endSome(ctx context.Context, run *Run, recs []*session.Record) (ended uint64, err error) {
	if run.DryRun {
		return 0, nil
	}
	reason := run.Reason + " (by " + run.Author + ")" // as for an operator's end of one session
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	for _, rec := range recs {
		all.Go(func() {
			done, failed := r.cfg.Sessions.EndIf(ctx, rec, run.match, reason, session.EndGroup(run.ID))
			mu.Lock()
			defer mu.Unlock()
			if done {
				ended++
			}
			if failed != nil {
				errs = append(errs, failed)
			}
		})
	}
	all.Wait()
	return ended, errors.Join(errs...)
}
