package sqlstore_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessiontest"
	"crossfade.dev/crossfade/session/sqlstore"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// open gives a store of its own in a temporary folder: about 5 ms.
func open(t testing.TB) session.Store {
	t.Helper()
	return openAt(t, sqlstore.Config{Path: filepath.Join(t.TempDir(), "sessions.db")})
}

func openAt(t testing.TB, cfg sqlstore.Config) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), cfg, quiet)
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

func TestStore(t *testing.T) { sessiontest.Run(t, open) }

func TestManager(t *testing.T) { sessiontest.RunManager(t, open) }
