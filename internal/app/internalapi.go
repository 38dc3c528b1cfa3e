package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"crossfade.dev/crossfade/control/controlapi"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
)

// adminClient is the admin token's name at the session API.
const adminClient = "admin"

// internalHandler is everything that the internal listener serves.
func (a *App) internalHandler(g *generation, secrets *config.Secrets) (http.Handler, error) {
	clients := []sessionapi.Client{{Name: adminClient, Role: sessionapi.Admin, Secret: string(secrets.Admin)}}
	for _, c := range g.cfg.Clients {
		clients = append(clients, sessionapi.Client{Name: audience(g.cfg, c.Name), Role: sessionapi.Role(c.Role), Secret: string(secrets.Clients[c.Name])})
	}
	sessions, err := sessionapi.New(sessionapi.Config{
		Manager: a.sessions, EndRuns: a.endRuns, Ring: a.ring, Signer: a.signer, Clients: clients, Clock: a.opts.Clock, Log: a.log,
		Ended: a.endings.record, Exported: a.endings.exported,
	})
	if err != nil {
		return nil, err
	}
	jwks, err := contextjwt.JWKSHandler(a.ring)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	metered := func(path string, h http.Handler) { mux.Handle(path, meter(a.telemetry.Metrics, path, h)) }
	metered(sessions.Handler())
	metered(controlapi.New(a.control, controlapi.Options{
		Authorize: g.authorize, MagicCookie: cookiePrefix(g.cfg) + "cf_magic", Log: a.log, Rand: a.opts.Rand,
	}))
	mux.Handle("GET /.well-known/jwks.json", jwks)
	mux.Handle("GET /metrics", a.telemetry.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", a.readyz)
	return mux, nil
}

// audience is the name that a client's contexts are made for: its upstream's audience, when it is one.
func audience(cfg *config.Config, client string) string {
	if u, ok := cfg.Upstreams[client]; ok {
		return u.Audience
	}
	return client
}

func cookiePrefix(cfg *config.Config) string {
	if cfg.Public.Secure() {
		return "__Host-"
	}
	return ""
}

// authorize lets the holder of the admin token in.
func (g *generation) authorize(h http.Header) error {
	scheme, secret, _ := strings.Cut(h.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && g.authorized(strings.TrimSpace(secret)) {
		return nil
	}
	return fault.New(fault.Unauthenticated, "the admin token is missing or wrong").
		WithHint(`send "Authorization: Bearer <token>"; the token is admin.token of the server's crossfade.yaml, usually secrets/admin.token beside it`)
}

// readyz says whether this process should get requests: not while it stops, nor while its databases do
// not answer. A legacy system that is down is no reason: sessions in the new one work. Nor is a disk that is
// full: visitors are served from what is stored, and every other process on that disk is no better off. The
// answer stays 200 then and says "refuses writes" where it does.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	checks, code := map[string]string{"listeners": "ok", "sessions": "ok", "control": "ok"}, http.StatusOK
	fail := func(what, why string) { checks[what], code = why, http.StatusServiceUnavailable }
	if !a.servers.ready.Load() {
		fail("listeners", "starting or stopping")
	}
	if _, err := a.store.Ended(ctx, session.Lineage{}); err != nil {
		fail("sessions", "the session database does not answer")
	}
	if a.control.Snapshot().Age(a.opts.Clock()) > snapshotTooOld {
		fail("control", "the control database does not answer: nobody is handed over")
	}
	if code == http.StatusOK {
		if lost := watched(a.sessions.Watch()); lost != "" {
			checks["sessions"] = lost // slower, and as right as before: no reason to send visitors elsewhere
		}
		degraded(checks, a.store.Writable(ctx), a.control.Unsaved())
	}
	answer(w, code, checks)
}

// degraded says what does not work in a process that serves all the same.
func degraded(checks map[string]string, refused error, unsavedKills int) {
	if refused != nil {
		message, _ := fault.Public(refused)
		checks["sessions"] = "refuses writes: " + message
	}
	if unsavedKills > 0 {
		checks["control"] = "refuses writes: a kill is in force but not saved, and a restart forgets it"
	}
}

// snapshotTooOld is when an edge stops to hand over: three heartbeats.
const snapshotTooOld = 15 * time.Second

func answer(w http.ResponseWriter, code int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a caller that has gone is no news
}

// meter times the calls of one service. What is not a method of it counts under one name, so that a
// caller cannot make up series.
func meter(m *telemetry.Metrics, path string, next http.Handler) http.Handler {
	service := strings.Trim(path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now() // a duration, not a moment: the wall clock's steps must not show in it
		s := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(s, r)
		method := strings.TrimPrefix(r.URL.Path, path)
		if s.code == http.StatusNotFound || s.code == http.StatusUnsupportedMediaType || strings.Contains(method, "/") {
			method = "_other"
		}
		if s.code == http.StatusUnauthorized && s.Header().Get("WWW-Authenticate") == "" {
			m.ContextRefused("unauthenticated") // the client's secret was good, what it presented was not
		}
		m.Call(service[strings.LastIndexByte(service, '.')+1:], method, s.code, time.Since(begun))
	})
}

// statusWriter remembers the status. Unwrap keeps flushing and HTTP/2 trailers, which gRPC needs.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader remembers the first final status.
func (s *statusWriter) WriteHeader(code int) {
	if code >= 200 && s.code == http.StatusOK {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

// Flush is looked up by type, not through Unwrap, by some handlers.
func (s *statusWriter) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap is for [http.ResponseController].
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
