package realsite

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/legacy/mapping"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
	"crossfade.dev/crossfade/test/histories"
)

// Site implements [histories.Site].
type Site struct {
	t        fatal
	clock    *testenv.Clock
	legacy   *legacySite
	store    *failingStore
	sessions *session.Manager
	app      *application
	edge     http.Handler
	rollout  rollout.Rollout
	version  uint64
	snapshot *rollout.Snapshot
	// second is another edge on the same session store. It answers every other request while it lags, and
	// knows nothing younger than heard.
	second http.Handler
	heard  *rollout.Snapshot // nil: it does not lag
	turn   bool
	// refresh gives counterparts the data that they are behind with.
	refresh func(context.Context)
	close   func()
}

// refreshAfter is never over on a real clock: a history says when a refresh arrives.
const refreshAfter = time.Hour

// shared is randomness for several goroutines.
type shared struct {
	mu   sync.Mutex
	from io.Reader
}

func (r *shared) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

// Close ends it.
func (s *Site) Close() { s.close() }

var _ histories.Site = (*Site)(nil)

// fatal is what a site needs of a test: rapid's T has it too.
type fatal interface {
	Helper()
	Fatal(...any)
}

// New opens a site on a database of its own in dir.
func New(t fatal, dir string) *Site {
	t.Helper()
	s := &Site{t: t, clock: testenv.NewClock()}
	s.legacy = newLegacySite(s.clock.Now)
	random := &shared{from: rand.NewChaCha8([32]byte{1})} // the same history is the same run
	ring, err := keyring.New(random, keyring.Secret{ID: 1, Bytes: []byte("a secret of at least thirty-two bytes")})
	must(t, err)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	opened, err := sqlstore.Open(context.Background(), sqlstore.Config{Path: filepath.Join(dir, "session.db"), Readers: 1}, log)
	must(t, err)
	s.store = &failingStore{Store: opened}
	s.sessions, err = session.New(session.Config{}, s.store, ring, s.clock.Now, random, log)
	must(t, err)
	s.app = &application{site: s.legacy, sessions: s.sessions, ring: ring, now: s.clock.Now}
	s.rollout, err = rollout.NewDraft(rollout.Sessions, "control", rollout.DefaultLadder(), 0)
	must(t, err)
	s.publish()
	contexts, err := contextjwt.NewSigner(contextjwt.SignerConfig{Ring: ring, Clock: s.clock.Now})
	must(t, err)
	crosses, err := mapping.New(mapping.File{})
	must(t, err)
	public, _ := url.Parse("http://localhost")
	upstream, _ := url.Parse("http://127.0.0.1:1")
	config := edge.Config{
		Public: public,
		Upstreams: []edge.Upstream{
			{Name: "legacy", URL: upstream, Trusted: true}, {Name: "new", URL: upstream, Trusted: true}},
		Routes: []edge.Route{{Path: "/", Legacy: "legacy", New: "new"}},
		// Only the clock of the history counts: a busy machine must not look like a hung store.
		Handover: edge.Handover{KillDeadline: time.Minute, StoreDeadline: time.Minute, BridgeDeadline: time.Minute,
			CounterpartRefresh: refreshAfter},
		Legacy: edge.Legacy{Upstream: "legacy", Cookie: edge.LegacyCookie{Name: legacyCookie}},
	}
	deps := edge.Deps{
		Sessions: s.sessions, Bridge: s.legacy, Mapping: crosses, Contexts: contexts, Ring: ring,
		Snapshot: func() *rollout.Snapshot { return s.snapshot.Refreshed(s.clock.Now()) },
		Clock:    s.clock.Now, Rand: random, Log: log,
		Transport: func(edge.Upstream) http.RoundTripper { return s.app },
	}
	first, err := edge.New(config, deps)
	must(t, err)
	deps.Snapshot = func() *rollout.Snapshot { return s.heard }
	second, err := edge.New(config, deps)
	must(t, err)
	s.sessions.OnWrite(first.Written)
	s.edge, s.second, s.refresh = first, second, first.Refresh
	s.close = func() { first.Close(); second.Close(); opened.Close() }
	return s
}

func must(t fatal, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Site) publish() {
	s.version++
	s.snapshot = rollout.NewSnapshot(s.version, s.clock.Now(), []rollout.Rollout{s.rollout}, nil)
}

// Do sends one request through the edge, as a browser would.
func (s *Site) Do(jar histories.Jar, q histories.Request) histories.Response {
	method := http.MethodGet
	if q.Post {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, "http://localhost"+q.Path, nil)
	for name, value := range jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if q.Twin {
		r.AddCookie(&http.Cookie{Name: legacyCookie, Value: "longgone000000000000000000000000"})
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "http://localhost")
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Dest", "empty")
	if q.Entry || q.Post {
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	w := httptest.NewRecorder()
	s.carrier().ServeHTTP(w, r)
	return read(w)
}

// carrier is the edge that gets the next request.
func (s *Site) carrier() http.Handler {
	if s.turn = !s.turn; s.turn && s.heard != nil {
		return s.second
	}
	return s.edge
}

func read(w *httptest.ResponseRecorder) histories.Response {
	out := histories.Response{Status: w.Code, Set: map[string]string{}}
	var g greeting
	if json.Unmarshal(w.Body.Bytes(), &g) == nil {
		out.User, out.System, out.Cart = g.User, g.System, g.Cart
	}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			if _, set := out.Set[c.Name]; !set {
				out.Delete = append(out.Delete, c.Name)
			}
			continue
		}
		out.Set[c.Name] = c.Value
	}
	if out.Status >= 400 {
		out.Body = strings.TrimSpace(w.Body.String())
	}
	return out
}

// Ramp starts the rollout or widens it.
func (s *Site) Ramp(percent int) {
	var err error
	if s.rollout.State == rollout.Draft {
		s.rollout, err = s.rollout.Start(rollout.Settings{}, "salt", "history")
		must(s.t, err)
	}
	if s.rollout.Killed == "" && rollout.Millionths(percent)*10_000 > s.rollout.Treatment {
		s.rollout, err = s.rollout.Ramp(rollout.Millionths(percent)*10_000, "history")
		must(s.t, err)
	}
	s.publish()
}

// Kill throws the switch or lifts it.
func (s *Site) Kill(on bool) {
	var err error
	if on {
		s.rollout, err = s.rollout.Kill(rollout.KillEverybody, "history")
	} else if s.rollout.Killed != "" {
		s.rollout, err = s.rollout.Lift("")
	}
	must(s.t, err)
	s.publish()
}

// Lag cuts the second edge off from the control plane, or lets it catch up.
func (s *Site) Lag(on bool) {
	if s.heard = nil; on {
		s.heard = s.snapshot.Refreshed(s.clock.Now())
	}
}

// BridgeDown makes every bridge call fail before it happens.
func (s *Site) BridgeDown(down bool) {
	s.legacy.mu.Lock()
	s.legacy.bridgeDown = down
	s.legacy.mu.Unlock()
}

// AnswersLost makes bridge calls happen and their answers get lost.
func (s *Site) AnswersLost(lost bool) {
	s.legacy.mu.Lock()
	s.legacy.answerLost = lost
	s.legacy.mu.Unlock()
}

// StoreDown takes the session store away.
func (s *Site) StoreDown(down bool) { s.store.down.Store(down) }

// Advance lets time pass. What was written some seconds before reaches the counterparts.
func (s *Site) Advance(d time.Duration) {
	if s.clock.Advance(d); d >= 5*time.Second {
		s.refresh(context.Background())
	}
}

// Deliver sends what both outboxes hold, and lets the calls for counterparts arrive that were given up.
func (s *Site) Deliver() {
	s.legacy.arrive()
	ctx := context.Background()
	if s.store.down.Load() {
		return
	}
	s.legacy.mu.Lock()
	late := s.app.undelivered
	s.app.undelivered = nil
	s.legacy.mu.Unlock()
	for _, e := range late {
		s.app.end(ctx, e)
	}
}

// SessionCookies are the names in this site's browsers.
func (s *Site) SessionCookies() (token, legacy string) { return "cf_session", legacyCookie }
