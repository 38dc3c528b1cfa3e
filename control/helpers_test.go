package control_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/rollout"
)

var ctx = context.Background()

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func keys(t testing.TB) *keyring.Ring {
	t.Helper()
	r, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func deps(t testing.TB, c *clock) control.Deps {
	return control.Deps{Now: c.Now, Rand: rand.Reader, Ring: keys(t), Log: slog.New(slog.DiscardHandler)}
}

// open makes a control plane in a fresh folder, with a heartbeat that beats only when told.
func open(t testing.TB, c *clock, edit func(*control.Config)) *control.Control {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "control.db"), c, edit)
}

func openAt(t testing.TB, path string, c *clock, edit func(*control.Config)) *control.Control {
	t.Helper()
	cfg := control.Config{Path: path, Heartbeat: -1}
	if edit != nil {
		edit(&cfg)
	}
	opened, err := control.Open(ctx, cfg, deps(t, c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened
}

// by is a call on the rollout "sessions".
func by(author string) control.Call {
	return control.Call{Rollout: rollout.Sessions, Author: author, Reason: "because"}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
