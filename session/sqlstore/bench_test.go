package sqlstore_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

func openManager(b testing.TB, path string) (*session.Manager, *sqlstore.Store) {
	b.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: path}, log)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: make([]byte, 32)})
	if err != nil {
		b.Fatal(err)
	}
	m, err := session.New(session.Config{}, s, ring, time.Now, rand.Reader, log)
	if err != nil {
		b.Fatal(err)
	}
	return m, s
}

// callers runs f b.N times from n goroutines and reports the rate.
func callers(b *testing.B, n int, f func(i int64)) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range n {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "ops/s")
}

// BenchmarkSession measures the session plane on the embedded store: a create is durable when it answers.
func BenchmarkSession(b *testing.B) {
	ctx := context.Background()
	data := map[string]json.RawMessage{"cart": json.RawMessage(`{"12":1}`)}
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("create/%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "s.db")
			m, s := openManager(b, path)
			callers(b, n, func(int64) {
				g := m.NewGuest(session.VisitorID{1}).Session
				if _, err := m.Patch(ctx, session.Patch{Set: data, Guest: proof(g)}); err != nil {
					b.Error(err)
				}
			})
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			if info, err := os.Stat(path); err == nil && b.N > 1000 {
				b.ReportMetric(float64(info.Size())/float64(b.N), "disk-B/session")
			}
		})
		b.Run(fmt.Sprintf("patch/%d", n), func(b *testing.B) {
			m, _ := openManager(b, filepath.Join(b.TempDir(), "s.db"))
			ids, _ := fill(b, m, 1024)
			callers(b, n, func(i int64) {
				set := map[string]json.RawMessage{"cart": fmt.Appendf(nil, "%d", i)}
				if _, err := m.Patch(ctx, session.Patch{ID: ids[i%1024], Set: set}); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprintf("resolve/%d", n), func(b *testing.B) {
			m, _ := openManager(b, filepath.Join(b.TempDir(), "s.db"))
			_, tokens := fill(b, m, 1024)
			b.ReportAllocs()
			callers(b, n, func(i int64) {
				if r := m.Resolve(ctx, tokens[i%1024]); r.Worth != session.WorthLive {
					b.Error(r.Worth)
				}
			})
		})
	}
	b.Run("resolve-guest", func(b *testing.B) {
		m, _ := openManager(b, filepath.Join(b.TempDir(), "s.db"))
		token := m.NewGuest(session.VisitorID{}).Token
		b.ReportAllocs()
		callers(b, 1, func(int64) { m.Resolve(ctx, token) })
	})
	b.Run("resolve-uncached", func(b *testing.B) {
		m, s := openManager(b, filepath.Join(b.TempDir(), "s.db"))
		ids, _ := fill(b, m, 1024)
		callers(b, 1, func(i int64) {
			if r, err := s.Head(ctx, ids[i%1024]); err != nil || r == nil {
				b.Error(err)
			}
		})
	})
}

func proof(g *session.Session) *session.GuestProof {
	return &session.GuestProof{ID: g.ID, Visitor: g.Visitor, Issued: g.Created, ExpiresAt: g.ExpiresAt, Born: g.Born}
}

func fill(b testing.TB, m *session.Manager, n int) (ids []session.ID, tokens []string) {
	for range n {
		g := m.NewGuest(session.VisitorID{1}).Session
		p, err := m.Patch(context.Background(), session.Patch{Guest: proof(g), Set: map[string]json.RawMessage{"a": json.RawMessage(`1`)}})
		if err != nil {
			b.Fatal(err)
		}
		ids, tokens = append(ids, g.ID), append(tokens, p.Replace.Token)
	}
	for _, t := range tokens {
		m.Resolve(context.Background(), t)
	}
	return ids, tokens
}
