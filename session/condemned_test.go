package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// deafStore takes no commits while it is deaf.
type deafStore struct {
	session.Store
	deaf atomic.Bool
}

func (s *deafStore) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	if s.deaf.Load() {
		return session.Result{}, errors.New("disk on fire")
	}
	return s.Store.Commit(ctx, ops...)
}

func TestManager_End_whileTheStoreFails(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	opened, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(t.TempDir(), "session.db")}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: make([]byte, keyring.MinSecret)})
	if err != nil {
		t.Fatal(err)
	}
	store := &deafStore{Store: opened}
	m, err := session.New(session.Config{}, store, ring, time.Now, rand.Reader, quiet)
	if err != nil {
		t.Fatal(err)
	}
	in, err := m.Upgrade(t.Context(), session.Upgrade{Subject: "ada", Born: m.CurrentMark()})
	if err != nil {
		t.Fatal(err)
	}
	worth := func() session.Worth { return m.Resolve(t.Context(), in.Token).Worth }
	if w := worth(); w != session.WorthLive {
		t.Fatalf("worth %v before the end", w)
	}

	store.deaf.Store(true)
	if _, err := m.End(t.Context(), session.End{ID: in.Session.ID, Reason: "logout"}); err == nil {
		t.Fatal("an end that was not written is reported as done")
	}
	t.Run("what was to end is not served from memory", func(t *testing.T) {
		if w := worth(); w != session.WorthEnded || !m.Denied(in.Session.Lineage) {
			t.Fatalf("worth %v, denied %v", w, m.Denied(in.Session.Lineage))
		}
	})
	store.deaf.Store(false)
	t.Run("nor when the store is back and the end not repeated yet", func(t *testing.T) {
		if w := worth(); w != session.WorthEnded {
			t.Fatalf("worth %v", w)
		}
	})
	t.Run("repeated, it is written", func(t *testing.T) {
		if _, err := m.End(t.Context(), session.End{ID: in.Session.ID, Reason: "logout", LegacyDone: true}); err != nil {
			t.Fatal(err)
		}
		if w := worth(); w != session.WorthEnded || m.Denied(in.Session.Lineage) {
			t.Fatalf("worth %v, denied %v", w, m.Denied(in.Session.Lineage))
		}
	})
}
