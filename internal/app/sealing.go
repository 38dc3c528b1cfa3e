package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sealed"
)

// openSealed puts sealing before the store, if the configuration asks for it, and begins what it does in the
// background. Without it a store that holds sealed sessions is refused: they would look damaged.
func (a *App) openSealed(ctx context.Context, store session.Store) (session.Store, error) {
	mode := a.cfg.Session.Seal
	if mode == "" || mode == "off" {
		return store, refuseSealed(ctx, store)
	}
	s, err := sealed.New(store, a.ring, sealed.Mode(mode), a.log)
	if err != nil {
		return nil, err
	}
	work := sealed.NewResealer(s, "process-"+rand.Text(), a.opts.Clock)
	if work == nil {
		return s, nil
	}
	// The first step leaves the note by which a later start with sealing off knows of sealed sessions.
	if _, _, err := work.Step(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() { work.Run(running) })
	a.opens("sealing", func(context.Context) error { stop(); done.Wait(); return nil })
	return s, nil
}

func refuseSealed(ctx context.Context, store session.Store) error {
	notes, err := store.Notes(ctx, sealed.ProgressNote)
	if err != nil || len(notes) == 0 {
		return err
	}
	var at session.Walked
	if err := json.Unmarshal(notes[0].Value, &at); err == nil && at.Aim == "plain" && !at.Done.IsZero() {
		return nil
	}
	return fault.New(fault.Precondition, "the session store holds sealed sessions, and session.seal is off").
		WithHint(`say "seal: on" again, or "seal: undo" until the log says that every session is plain`)
}
