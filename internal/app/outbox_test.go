package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/session"
)

// script is a session plane with ends that are due, and a legacy system that answers by reason.
type script struct {
	legacy.Bridge
	due       []session.PendingEnd
	told      []string
	confirmed []int64
	failed    map[int64]string
}

func (s *script) Outstanding() int { return len(s.due) }

func (s *script) PendingEnds(context.Context, int) ([]session.PendingEnd, error) {
	return slices.Clone(s.due), nil
}

func (s *script) ConfirmEnd(_ context.Context, id int64) error {
	s.confirmed = append(s.confirmed, id)
	s.due = slices.DeleteFunc(s.due, func(e session.PendingEnd) bool { return e.ID == id })
	return nil
}

func (s *script) FailEnd(_ context.Context, id int64, cause string) error {
	s.failed[id] = cause
	s.due = slices.DeleteFunc(s.due, func(e session.PendingEnd) bool { return e.ID == id }) // until its pause is over
	return nil
}

func (s *script) End(ctx context.Context, in legacy.EndCall) (legacy.EndAnswer, error) {
	s.told = append(s.told, in.Reason)
	switch in.Reason {
	case "down":
		return legacy.EndAnswer{}, fault.New(fault.Unavailable, "no answer")
	case "refused":
		return legacy.EndAnswer{}, errors.New("refused")
	case "unsupported":
		return legacy.EndAnswer{Unsupported: "no such selector"}, nil
	case "hangs":
		<-ctx.Done()
		return legacy.EndAnswer{}, ctx.Err()
	}
	return legacy.EndAnswer{Ended: 1}, nil
}

func TestOutbox(t *testing.T) {
	run := func(t *testing.T, reasons ...string) *script {
		t.Helper()
		s := &script{failed: map[int64]string{}}
		for i, reason := range reasons {
			s.due = append(s.due, session.PendingEnd{ID: int64(i + 1), Reason: reason})
		}
		synctest.Test(t, func(t *testing.T) {
			o := &outbox{ends: s, log: slog.New(slog.DiscardHandler), bridge: func() (legacy.Bridge, func()) { return s, func() {} }}
			o.Start(t.Context())
			time.Sleep(150 * time.Millisecond) // one round
			synctest.Wait()
			o.Stop()
		})
		return s
	}
	t.Run("what legacy confirms is recorded", func(t *testing.T) {
		if s := run(t, "logout", "leak"); !slices.Equal(s.confirmed, []int64{1, 2}) || len(s.failed) != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a refusal does not hold up the others", func(t *testing.T) {
		if s := run(t, "refused", "logout"); !slices.Equal(s.confirmed, []int64{2}) || s.failed[1] == "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("what legacy cannot evaluate is never counted as done", func(t *testing.T) {
		if s := run(t, "unsupported"); len(s.confirmed) != 0 || s.failed[1] == "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a legacy system that is down is asked once a round", func(t *testing.T) {
		if s := run(t, "down", "logout", "leak"); !slices.Equal(s.told, []string{"down"}) || len(s.confirmed) != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a stop does not count as legacy's failure", func(t *testing.T) {
		if s := run(t, "hangs"); len(s.failed) != 0 {
			t.Errorf("%+v", s)
		}
	})
}
