package app

import (
	"context"
	"fmt"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/session/endrun"
)

// openEndRuns makes the runner of ends by condition. It stops before the manager and the store that it works with.
func (a *App) openEndRuns() error {
	a.endRuns = endrun.New(endrun.Config{
		Store: a.records, Sessions: a.sessions, Clock: a.opts.Clock, Rand: a.opts.Rand, Log: a.log,
		Record: func(ctx context.Context, e endrun.Event) { a.endings.put(ctx, runNote(e)) },
	})
	a.opens("end runs", func(context.Context) error { a.endRuns.Stop(); return nil })
	return nil
}

// runNote says in the changelog's words how far a run is.
func runNote(e endrun.Event) control.Note {
	n := control.Note{Author: e.Author, Reason: e.Reason, Action: "session_end", Subject: "run " + e.Run.ID.String()}
	switch e.Run.State {
	case endrun.Done:
		n.Detail = fmt.Sprintf("done: %d ended, legacy has confirmed each", e.Run.Ended)
	case endrun.Cancelled:
		n.Detail = fmt.Sprintf("cancelled, %d ended before", e.Run.Ended)
	default:
		n.Detail = "started"
	}
	n.Detail += "; those with " + e.Run.Where.String()
	return n
}
