package redisstore_test

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
	"crossfade.dev/crossfade/session/sessiontest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// The suites have a clock of their own that stands in the past of the servers; what they store lives long
// enough by this one.
func suiteClock() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

var prefixes atomic.Int64

// opener gives stores on one server, each in a prefix of its own: about 1 ms.
func opener(addresses ...string) func(testing.TB) session.Store {
	return func(t testing.TB) session.Store { return openAt(t, redisstore.Config{Addresses: addresses}) }
}

func openAt(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = "t" + strconv.FormatInt(prefixes.Add(1), 10)
	}
	s, err := redisstore.Open(context.Background(), cfg, suiteClock, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) { sessiontest.Run(t, opener(testenv.StartRedis(t).Address)) }

func TestManager(t *testing.T) { sessiontest.RunManager(t, opener(testenv.StartRedis(t).Address)) }
