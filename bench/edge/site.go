package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/mapping"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

const (
	host         = "localhost"
	legacyCookie = "sessionid"
	// treatment puts half of the visitors on new: both ways are measured under one snapshot.
	treatment = rollout.Whole / 2
	// heartbeat is how often the control plane confirms its snapshot.
	heartbeat = 5 * time.Second
)

// site is an edge with everything real behind it but the legacy system: keys, session manager, embedded
// store, signer, and a rollout under way.
type site struct {
	edge     *edge.Edge
	plain    *edge.Edge // the same with plain routes: it proxies and looks at no session
	sessions *session.Manager
	store    *sqlstore.Store
	database string
	snapshot atomic.Pointer[rollout.Snapshot]
	stop     context.CancelFunc
}

// openSite builds it on a database of its own in dir.
func openSite(dir string, upstream *url.URL, transport http.RoundTripper) (_ *site, err error) {
	log := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, stop := context.WithCancel(context.Background())
	s := &site{database: filepath.Join(dir, "session.db"), stop: stop}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	ring, err := newRing()
	if err != nil {
		return nil, err
	}
	if s.store, err = sqlstore.Open(ctx, sqlstore.Config{Path: s.database}, log); err != nil {
		return nil, err
	}
	if s.sessions, err = session.New(session.Config{}, s.store, ring, time.Now, rand.Reader, log); err != nil {
		return nil, err
	}
	s.sessions.Start(ctx)
	if err := s.startRollout(ctx); err != nil {
		return nil, err
	}
	contexts, err := contextjwt.NewSigner(contextjwt.SignerConfig{Ring: ring, Clock: time.Now})
	if err != nil {
		return nil, err
	}
	crosses, err := mapping.New(mapping.File{})
	if err != nil {
		return nil, err
	}
	deps := edge.Deps{
		Sessions: s.sessions, Bridge: noBridge{}, Mapping: crosses, Contexts: contexts, Ring: ring,
		Snapshot: s.snapshot.Load, Log: log,
		Transport: func(edge.Upstream) http.RoundTripper { return transport },
	}
	if s.edge, err = edge.New(edgeConfig(upstream, false), deps); err != nil {
		return nil, err
	}
	s.plain, err = edge.New(edgeConfig(upstream, true), deps)
	return s, err
}

func edgeConfig(upstream *url.URL, plain bool) edge.Config {
	last := edge.Route{Path: "/", Legacy: "legacy", New: "new"}
	if plain {
		last.New, last.Plain = last.Legacy, true
	}
	return edge.Config{
		Public: &url.URL{Scheme: "http", Host: host},
		Upstreams: []edge.Upstream{
			{Name: "legacy", URL: upstream, Trusted: true}, {Name: "new", URL: upstream, Trusted: true},
		},
		// A handful of routes, the one that is asked for last: matching is part of the price.
		Routes: []edge.Route{
			{Path: "/admin/", Legacy: "legacy", New: "legacy", Tools: true},
			{Path: "/api/", Legacy: "legacy", New: "new", API: true},
			{Path: "/accounts/", Legacy: "legacy", New: "legacy", NoHandover: true},
			{Path: "/shops/{id}/menu", Legacy: "legacy", New: "new", Step: 1},
			last,
		},
		Legacy: edge.Legacy{Upstream: "legacy", Cookie: edge.LegacyCookie{Name: legacyCookie}},
	}
}

func newRing() (*keyring.Ring, error) {
	secret := make([]byte, keyring.MinSecret)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: secret})
}

// startRollout ramps to the treated share and confirms the snapshot as the control plane does, until ctx
// ends.
func (s *site) startRollout(ctx context.Context) error {
	r, err := rollout.NewDraft(rollout.Sessions, "control salt", rollout.DefaultLadder(), 0)
	if err != nil {
		return err
	}
	if r, err = r.Start(rollout.Settings{}, "salt", "bench"); err != nil {
		return err
	}
	if r, err = r.Ramp(treatment, "bench"); err != nil {
		return err
	}
	s.snapshot.Store(rollout.NewSnapshot(1, time.Now(), []rollout.Rollout{r}, nil))
	go func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				s.snapshot.Store(s.snapshot.Load().Refreshed(now))
			}
		}
	}()
	return nil
}

func (s *site) close() error {
	for _, e := range []*edge.Edge{s.edge, s.plain} {
		if e != nil {
			e.Close()
		}
	}
	if s.sessions != nil {
		s.sessions.Stop(context.Background())
	}
	s.stop()
	if s.store != nil {
		return s.store.Close()
	}
	return nil
}

// noBridge is a legacy system that must not be asked: nobody who is measured changes system.
type noBridge struct{}

var errNoBridge = fault.New(fault.Unavailable, "there is no legacy system in this measurement")

func (noBridge) Inspect(context.Context, string) (legacy.View, error) {
	return legacy.View{}, errNoBridge
}

func (noBridge) Exchange(context.Context, legacy.ExchangeCall) (legacy.ExchangeAnswer, error) {
	return legacy.ExchangeAnswer{}, errNoBridge
}

func (noBridge) Restore(context.Context, legacy.RestoreCall) (legacy.RestoreAnswer, error) {
	return legacy.RestoreAnswer{}, errNoBridge
}

func (noBridge) End(context.Context, legacy.EndCall) (legacy.EndAnswer, error) {
	return legacy.EndAnswer{}, errNoBridge
}
