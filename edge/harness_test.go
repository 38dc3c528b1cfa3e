package edge_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/legacy/mapping"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// clock is the time of a test.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// site is a whole deployment in one process: the real edge and session manager on a real embedded store,
// a legacy application with its bridge, and a new service.
type site struct {
	t        testing.TB
	clock    *clock
	ring     *keyring.Ring
	store    *faultyStore
	sessions *session.Manager
	legacy   *django
	shop     *shop
	observer *observer
	edge     *edge.Edge
	log      *bytes.Buffer

	rollout  rollout.Rollout
	version  uint64
	revoked  []rollout.MagicID
	snapshot atomic.Pointer[rollout.Snapshot]
	staff    map[string]bool
	config   edge.Config
	deps     edge.Deps
	wrap     func(edge.Sessions) edge.Sessions
}

// open starts a site whose rollout is a draft. tweak changes the edge's configuration.
func open(t testing.TB, tweak ...func(*edge.Config)) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{}, observer: &observer{}, staff: map[string]bool{}, log: &bytes.Buffer{}}
	s.clock.nanos.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	var err error
	if s.ring, err = keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{7}, 32)}); err != nil {
		t.Fatal(err)
	}
	file, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(t.TempDir(), "sessions.db")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	s.store = &faultyStore{Store: file}
	s.restartSessions()
	s.legacy = newDjango(s)
	s.shop = &shop{site: s}
	if s.rollout, err = rollout.NewDraft(rollout.Sessions, "control", []rollout.Stage{{Share: 500_000}, {Share: rollout.Whole}}, 0); err != nil {
		t.Fatal(err)
	}
	s.publish()
	s.config = s.defaultConfig()
	for _, f := range tweak {
		f(&s.config)
	}
	s.build()
	t.Cleanup(func() {
		s.edge.Close()
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	return s
}

func (s *site) defaultConfig() edge.Config {
	return edge.Config{
		Public: must(url.Parse("https://shop.example")),
		Upstreams: []edge.Upstream{
			{Name: "django", URL: must(url.Parse("http://django.internal")), Trusted: true},
			{Name: "shop", URL: must(url.Parse("http://shop.internal")), Trusted: true},
			{Name: "stranger", URL: must(url.Parse("http://stranger.internal"))},
		},
		Routes: []edge.Route{
			{Path: "/admin/", Legacy: "django", New: "django", Tools: true},
			{Path: "/callback", Legacy: "django", New: "django", NoHandover: true},
			{Path: "/sso/acs", Legacy: "django", New: "django", Callback: true},
			{Path: "/pay/done", Legacy: "django", New: "shop", Callback: true},
			{Path: "/account/", Legacy: "django", New: "django", Require: "authenticated"},
			{Path: "/api/account", Legacy: "shop", New: "shop", Require: "authenticated", API: true},
			{Path: "/stranger/", Legacy: "stranger", New: "stranger"},
			{Path: "/strict/", Legacy: "django", New: "shop", OnStoreDown: []string{"deny"}},
			{Path: "/mono/", Legacy: "django", New: "django"},
			{Path: "/webhook", Legacy: "shop", New: "shop", CrossSite: true},
			{Path: "/buy", Legacy: "django", New: "shop", Step: 2},
			{Path: "/", Legacy: "django", New: "shop", Step: 1},
		},
		Legacy: edge.Legacy{
			Upstream: "django", Related: []string{"remember_me"},
			Cookie: edge.LegacyCookie{Name: "sessionid", Secure: true, Variants: []edge.Variant{{Domain: "shop.example", Path: "/"}}},
		},
	}
}

// build makes an edge from the configuration, as a reload does.
func (s *site) build() {
	s.t.Helper()
	signer := must(contextjwt.NewSigner(contextjwt.SignerConfig{Ring: s.ring, Clock: s.clock.Now}))
	sessions := edge.Sessions(liveManager{s})
	if s.wrap != nil {
		sessions = s.wrap(sessions)
	}
	s.deps = edge.Deps{
		Sessions: sessions, Bridge: s.legacy, Mapping: must(mapping.New(mapping.File{})), Snapshot: s.snapshot.Load,
		Contexts: signer, Ring: s.ring, Observer: s.observer, Clock: s.clock.Now, Rand: rand.Reader,
		Facts: func(subject string) edge.Facts { return edge.Facts{Employee: s.staff[subject]} },
		Log:   slog.New(slog.NewTextHandler(s.log, nil)),
		Transport: func(u edge.Upstream) http.RoundTripper {
			if !strings.HasSuffix(u.URL.Host, ".internal") {
				return nil // a real server
			}
			return inProcess{map[string]http.Handler{"django": s.legacy, "shop": s.shop, "stranger": s.shop}[u.Name]}
		},
	}
	var err error
	if s.edge, err = edge.New(s.config, s.deps); err != nil {
		s.t.Fatal(err)
	}
	s.sessions.OnWrite(s.edge.Written)
}

// liveManager lets a test restart the session plane under a running edge.
type liveManager struct{ s *site }

func (l liveManager) Resolve(ctx context.Context, raw string) session.Resolution {
	return l.s.sessions.Resolve(ctx, raw)
}
func (l liveManager) NewGuest(v session.VisitorID) session.Issued { return l.s.sessions.NewGuest(v) }
func (l liveManager) Exchange(ctx context.Context, in session.Exchange) (session.Exchanged, error) {
	return l.s.sessions.Exchange(ctx, in)
}
func (l liveManager) Succession(ctx context.Context, key string) (session.Succession, error) {
	return l.s.sessions.Succession(ctx, key)
}
func (l liveManager) Presented(ctx context.Context, key string) { l.s.sessions.Presented(ctx, key) }
func (l liveManager) ClaimRestore(ctx context.Context, id session.ID) (session.Claim, error) {
	return l.s.sessions.ClaimRestore(ctx, id)
}
func (l liveManager) FinishRestore(ctx context.Context, c session.Claim) error {
	return l.s.sessions.FinishRestore(ctx, c)
}
func (l liveManager) ReleaseRestore(ctx context.Context, c session.Claim) error {
	return l.s.sessions.ReleaseRestore(ctx, c)
}
func (l liveManager) AttachCounterpart(ctx context.Context, id session.ID, key string, expires time.Time) error {
	return l.s.sessions.AttachCounterpart(ctx, id, key, expires)
}
func (l liveManager) Read(ctx context.Context, id session.ID) (*session.Session, map[string]session.Attribute, error) {
	return l.s.sessions.Read(ctx, id)
}
func (l liveManager) End(ctx context.Context, in session.End) (session.Ended, error) {
	return l.s.sessions.End(ctx, in)
}
func (l liveManager) MarkAgainst(subject string) session.Mark {
	return l.s.sessions.MarkAgainst(subject)
}
func (l liveManager) Ready(ctx context.Context) error { return l.s.sessions.Ready(ctx) }
func (l liveManager) CurrentMark() session.Mark       { return l.s.sessions.CurrentMark() }
func (l liveManager) Denied(l2 session.Lineage) bool  { return l.s.sessions.Denied(l2) }
func (l liveManager) Revoked(ctx context.Context, l2 session.Lineage, subject string, born session.Mark) (bool, error) {
	return l.s.sessions.Revoked(ctx, l2, subject, born)
}

// restartSessions throws the session plane's memory away, as a new process does.
func (s *site) restartSessions() {
	s.t.Helper()
	var err error
	if s.sessions, err = session.New(session.Config{}, s.store, s.ring, s.clock.Now, rand.Reader, slog.New(slog.DiscardHandler)); err != nil {
		s.t.Fatal(err)
	}
	if s.edge != nil {
		s.sessions.OnWrite(s.edge.Written)
	}
}

// storeDown restarts the session plane and lets its store fail from then on.
func (s *site) storeDown() {
	s.restartSessions()
	s.store.down.Store(true)
}

func (s *site) publish() {
	s.version++
	s.snapshot.Store(rollout.NewSnapshot(s.version, s.clock.Now(), []rollout.Rollout{s.rollout}, s.revoked))
}

func (s *site) change(next rollout.Rollout, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.rollout = next
	s.publish()
}

// start treats everybody.
func (s *site) start() {
	s.t.Helper()
	s.change(s.rollout.Start(rollout.Settings{}, "salt-1", "ann"))
	s.change(s.rollout.Ramp(rollout.Whole, "ann"))
}

func (s *site) kill()     { s.t.Helper(); s.change(s.rollout.Kill(rollout.KillEverybody, "test")) }
func (s *site) rehearse() { s.t.Helper(); s.change(s.rollout.Kill(rollout.KillRehearsal, "test")) }
func (s *site) lift()     { s.t.Helper(); s.change(s.rollout.Lift("salt-2")) }

// pass lets time go by with a control plane that is alive.
func (s *site) pass(d time.Duration) {
	s.clock.Advance(d)
	s.snapshot.Store(s.snapshot.Load().Refreshed(s.clock.Now()))
}

// inProcess is an upstream without a network.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	p.handler.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request = r
	if rec.Code == 599 {
		return nil, errors.New("connection reset by peer")
	}
	return res, nil
}

// faultyStore is a store that can be switched off.
type faultyStore struct {
	session.Store
	down  atomic.Bool
	calls atomic.Int64
}

var errDown = fault.New(fault.Unavailable, "the store is down")

func (f *faultyStore) fail() error {
	f.calls.Add(1)
	if f.down.Load() {
		return errDown
	}
	return nil
}

func (f *faultyStore) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Head(ctx, id)
}
func (f *faultyStore) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Full(ctx, id)
}
func (f *faultyStore) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Generations(ctx, l)
}
func (f *faultyStore) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	if err := f.fail(); err != nil {
		return false, err
	}
	return f.Store.Ended(ctx, l)
}
func (f *faultyStore) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Key(ctx, hashes...)
}
func (f *faultyStore) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	if err := f.fail(); err != nil {
		return session.Result{}, err
	}
	return f.Store.Commit(ctx, ops...)
}

// observer remembers what it was told.
type observer struct {
	mu       sync.Mutex
	served   []edge.Served
	crossed  []edge.Crossed
	operated []edge.Operated
	exposed  []edge.Exposure
	reached  []edge.Step
	magic    []edge.MagicUse
	left     []string
	counts   map[edge.Count]int
}

func (o *observer) with(f func()) { o.mu.Lock(); defer o.mu.Unlock(); f() }

func (o *observer) Served(s edge.Served)     { o.with(func() { o.served = append(o.served, s) }) }
func (o *observer) Crossed(c edge.Crossed)   { o.with(func() { o.crossed = append(o.crossed, c) }) }
func (o *observer) Operated(x edge.Operated) { o.with(func() { o.operated = append(o.operated, x) }) }
func (o *observer) Exposed(x edge.Exposure)  { o.with(func() { o.exposed = append(o.exposed, x) }) }
func (o *observer) Reached(x edge.Step)      { o.with(func() { o.reached = append(o.reached, x) }) }
func (o *observer) Magic(m edge.MagicUse)    { o.with(func() { o.magic = append(o.magic, m) }) }
func (o *observer) LeftBehind(left []leftBehind, _ []string) {
	o.with(func() {
		for _, l := range left {
			o.left = append(o.left, l.Key)
		}
	})
}
func (o *observer) Counted(c edge.Count, _ rollout.System) {
	o.with(func() {
		if o.counts == nil {
			o.counts = map[edge.Count]int{}
		}
		o.counts[c]++
	})
}

func (o *observer) count(c edge.Count) (n int) { o.with(func() { n = o.counts[c] }); return n }

func (o *observer) operations(name string) (out []string) {
	o.with(func() {
		for _, x := range o.operated {
			if x.Name == name {
				out = append(out, x.Outcome)
			}
		}
	})
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func readAll(r io.Reader) string { return string(must(io.ReadAll(r))) }
