package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/session/sessionapi"
)

const (
	// rowWithin is when a row is given up that the changelog's disk does not take.
	rowWithin = 5 * time.Second
	// rowAwaited is how long an answer waits for its row: many times what a write takes, so that whoever asks
	// for the changelog next finds it there, and too little to matter where the disk hangs.
	rowAwaited = 100 * time.Millisecond
)

// endings puts on record which sessions operators have ended. The end is in force by then, in another
// database: a row that cannot be written takes nothing of it back, and the log has what the row would have had.
type endings struct {
	write func(context.Context, control.Note) error
	log   *slog.Logger
	rows  sync.WaitGroup // on their way
}

func (e *endings) record(ctx context.Context, end sessionapi.OperatorEnd) { e.put(ctx, note(end)) }

// exported puts on record who has seen what is held about a subject.
func (e *endings) exported(ctx context.Context, author, subject string) {
	e.put(ctx, control.Note{Author: author, Reason: "everything held about the subject was read", Action: "session_export", Subject: "subject " + subject})
}

func (e *endings) put(ctx context.Context, n control.Note) {
	written := make(chan struct{})
	rows, done := context.WithTimeout(context.WithoutCancel(ctx), rowWithin) // the caller may be gone by then
	e.rows.Go(func() {
		defer close(written)
		defer done()
		if err := e.write(rows, n); err != nil {
			e.log.ErrorContext(rows, "it is done, but the changelog does not take it", "action", n.Action, "author", n.Author, "reason", n.Reason,
				"of", n.Subject, "detail", n.Detail, "err", err)
		}
	})
	awaited := time.NewTimer(rowAwaited)
	defer awaited.Stop()
	select {
	case <-written:
	case <-awaited.C:
	}
}

func (e *endings) wait() { e.rows.Wait() }

// note says in the changelog's words what ended. How far legacy is, is what was known when the end answered.
func note(end sessionapi.OperatorEnd) control.Note {
	n := control.Note{Author: end.Author, Reason: end.Reason, Action: "session_end", Subject: end.What}
	switch {
	case end.What == "everybody":
		n.Detail = "all sessions in the new system"
	case end.Done.Sessions == 1:
		n.Detail = "1 session in the new system"
	default:
		n.Detail = fmt.Sprintf("%d sessions in the new system", end.Done.Sessions)
	}
	if end.Erased {
		n.Action = "session_erase"
		n.Detail += ", personal data erased"
	}
	if end.Except != "" {
		n.Detail += ", all but " + end.Except
	}
	if end.Done.Outstanding > 0 {
		n.Detail += ", order sent to legacy"
	}
	return n
}
