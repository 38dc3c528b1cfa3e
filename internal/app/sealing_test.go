package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

func TestOpenSealed_OffIsRefusedUntilEverySessionIsPlain(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(t.TempDir(), "s.db")}, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	begin := func(mode string) (session.Store, error) {
		cfg := new(config.Config)
		cfg.Session.Seal = mode
		at = at.Add(2 * time.Minute) // no lease of the process before is left
		a := &App{cfg: cfg, ring: ring, log: log, opts: Options{Clock: func() time.Time { return at }}}
		s, err := a.openSealed(t.Context(), store)
		if closing := a.Close(context.Background()); closing != nil {
			t.Fatal(closing)
		}
		return s, err
	}
	for _, c := range []struct {
		mode    string
		refused bool
	}{{"off", false}, {"read", false}, {"on", false}, {"off", true}, {"read", false}, {"on", false}} {
		_, err := begin(c.mode)
		if (fault.CodeOf(err) == fault.Precondition) != c.refused || err != nil && !c.refused {
			t.Fatalf("%s: got %v", c.mode, err)
		}
	}
	if _, err := begin("undo"); err != nil {
		t.Fatal(err)
	}
	if _, err := begin("off"); err != nil {
		t.Fatalf("all is plain again: %v", err)
	}
}
