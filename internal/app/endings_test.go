package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
)

func TestEndings(t *testing.T) {
	var log bytes.Buffer
	var wrote []control.Note
	recorder := func(write func(context.Context) error) *endings {
		log.Reset()
		wrote = nil
		return &endings{log: slog.New(slog.NewTextHandler(&log, nil)), write: func(ctx context.Context, n control.Note) error {
			wrote = append(wrote, n)
			return write(ctx)
		}}
	}
	stolen := sessionapi.OperatorEnd{Author: "ada", Reason: "stolen", What: "subject 42", Except: "a1", Done: session.Ended{Sessions: 2, Outstanding: 1}}
	t.Run("who ended what, why and how many is written before the answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			recorder(func(context.Context) error { return nil }).record(t.Context(), stolen)
			want := control.Note{Author: "ada", Reason: "stolen", Action: "session_end", Subject: "subject 42",
				Detail: "2 sessions in the new system, all but a1, order sent to legacy"}
			if len(wrote) != 1 || wrote[0] != want || log.Len() != 0 {
				t.Errorf("%+v, log %s", wrote, &log)
			}
		})
	})
	t.Run("everybody's are not counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			recorder(func(context.Context) error { return nil }).record(t.Context(), sessionapi.OperatorEnd{What: "everybody"})
			if len(wrote) != 1 || wrote[0].Detail != "all sessions in the new system" {
				t.Errorf("%+v", wrote)
			}
		})
	})
	t.Run("a row that is refused is an error in the log, with all that it would have said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			recorder(func(context.Context) error { return errors.New("disk full") }).record(t.Context(), stolen)
			for _, want := range []string{"level=ERROR", "author=ada", "reason=stolen", `of="subject 42"`, "2 sessions", "disk full"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("lacks %s: %s", want, &log)
				}
			}
		})
	})
	t.Run("a disk that hangs holds up neither the answer nor, for long, the stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			caller, gone := context.WithCancel(t.Context())
			var given atomic.Bool
			e := recorder(func(ctx context.Context) error { <-ctx.Done(); given.Store(true); return ctx.Err() })
			e.record(caller, stolen)
			if given.Load() {
				t.Error("the answer waited until the row was given up")
			}
			gone()
			synctest.Wait()
			if given.Load() {
				t.Error("the row was given up with its caller")
			}
			e.wait()
			if !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("log %s", &log)
			}
		})
	})
}
