package sealed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade.dev/crossfade/session"
)

// ProgressNote is the note that background sealing keeps its progress in.
const ProgressNote = "sealed/progress"

const (
	stepPause = 20 * time.Millisecond // lets other writers in between steps
	idlePause = time.Minute
)

// Resealer brings what is stored into the form that its store writes: behind the requests, in small steps,
// going on where it was stopped. Whatever state it is stopped in is readable.
type Resealer struct {
	walk  session.Walk
	clock func() time.Time
	store *Store
}

// NewResealer makes the background work of a store that New made; nil if its mode leaves everything as it is.
// holder differs from process to process.
func NewResealer(of session.Store, holder string, clock func() time.Time) *Resealer {
	within, ok := of.(interface{ sealing() *Store })
	if !ok || within.sealing().mode == Read {
		return nil
	}
	s := within.sealing()
	r := &Resealer{clock: clock, store: s}
	r.walk = session.Walk{Store: s.Store, Name: ProgressNote, Aim: s.aim(), Holder: holder, Visit: r.visit}
	return r
}

func (s *Store) sealing() *Store { return s }

// aim names the form that is written.
func (s *Store) aim() string {
	if s.mode == On {
		return fmt.Sprintf("sealed under key %d", s.ring.Alias(purposeSubject, nil)[0])
	}
	return "plain"
}

// Step rewrites what of one batch is in another form; more: there is work left for this process.
func (r *Resealer) Step(ctx context.Context) (session.Walked, bool, error) {
	return r.walk.Step(ctx, r.clock())
}

// Run works until ctx ends.
func (r *Resealer) Run(ctx context.Context) {
	for {
		pause := stepPause
		at, more, err := r.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.store.log.Warn("sealing in the background stops for a moment; it will be tried again", "err", err)
			pause = idlePause
		case !more:
			pause = idlePause
			if at.Done.Equal(r.clock()) {
				r.store.log.Info("every session has the form that is wanted", "form", at.Aim, "changed", at.Changed, "failed", at.Failed)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// visit gets records as they are stored. Who writes one at the same time wins: the next round looks again.
func (r *Resealer) visit(ctx context.Context, recs []*session.Record) (changed, failed int, err error) {
	for _, rec := range recs {
		if r.store.inForm(rec) {
			continue
		}
		next := *rec
		if err := r.store.open(&next); err != nil {
			r.store.log.ErrorContext(ctx, "a sealed session cannot be opened and stays as it is", "session", rec.ID, "err", err)
			failed++
			continue
		}
		next.Version++
		_, err := r.store.Store.Commit(ctx, session.Update{Record: r.store.formed(&next)})
		switch {
		case err == nil, errors.Is(err, session.ErrConflict):
			changed++ // by us or by another
		default:
			return changed, failed, err
		}
	}
	return changed, failed, nil
}
