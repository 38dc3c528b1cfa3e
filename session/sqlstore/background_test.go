package sqlstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestManager_Background runs the work behind the requests on a clock that jumps.
func TestManager_Background(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s, err := sqlstore.Open(ctx, sqlstore.Config{Path: path}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		m, err := session.New(session.Config{Idle: time.Hour, Absolute: time.Hour}, s, ring, time.Now, rand.Reader, quiet)
		if err != nil {
			t.Fatal(err)
		}
		m.Start(ctx)
		defer m.Stop(ctx)
		in, err := m.Upgrade(ctx, session.Upgrade{Subject: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		m.Resolve(ctx, in.Token)

		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if r, err := s.Head(ctx, in.Session.ID); err != nil || r == nil || r.Used.IsZero() {
			t.Fatalf("a first use is not written within a second: %+v, %v", r, err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if r, err := s.Head(ctx, in.Session.ID); err != nil || r != nil {
			t.Fatalf("an expired session is not cleaned up: %+v, %v", r, err)
		}
	})
}
