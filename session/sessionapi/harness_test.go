package sessionapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/internal/keyring"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
)

const (
	shopSecret   = "storefront-secret-0001"
	legacySecret = "django-secret-000000001"
	adminSecret  = "operator-secret-0000001"
)

// clock is a time that only tests move.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Now() time.Time      { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Add(d time.Duration) { c.nanos.Add(int64(d)) }

type harness struct {
	*httptest.Server
	t       *testing.T
	clock   *clock
	ring    *keyring.Ring
	signer  *contextjwt.Signer
	manager *fakeManager
	log     *bytes.Buffer
	ended   []sessionapi.OperatorEnd
}

var clients = []sessionapi.Client{
	{Name: "storefront", Role: sessionapi.Service, Secret: shopSecret},
	{Name: "django", Role: sessionapi.Legacy, Secret: legacySecret},
	{Name: "operator", Role: sessionapi.Admin, Secret: adminSecret},
}

// newHarness serves the API on a manager: the fake one, or the one given.
func newHarness(t *testing.T, real ...func(h *harness) sessionapi.Manager) *harness {
	t.Helper()
	h := &harness{t: t, clock: &clock{}, log: &bytes.Buffer{}}
	h.clock.nanos.Store(time.Unix(1_700_000_000, 0).UnixNano())
	var err error
	if h.ring, err = keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)}); err != nil {
		t.Fatal(err)
	}
	if h.signer, err = contextjwt.NewSigner(contextjwt.SignerConfig{Ring: h.ring, Clock: h.clock.Now}); err != nil {
		t.Fatal(err)
	}
	h.manager = &fakeManager{now: h.clock.Now, mark: 7, sessions: map[session.ID]*session.Session{}, attrs: map[session.ID]map[string]session.Attribute{}}
	var m sessionapi.Manager = h.manager
	if len(real) > 0 {
		m = real[0](h)
	}
	api, err := sessionapi.New(sessionapi.Config{
		Manager: m, Ring: h.ring, Signer: h.signer, Clients: clients, Clock: h.clock.Now,
		Log:   slog.New(slog.NewTextHandler(h.log, nil)),
		Ended: func(_ context.Context, e sessionapi.OperatorEnd) { h.ended = append(h.ended, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	path, handler := api.Handler()
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

// as is a client with a secret.
func (h *harness) as(secret string) sessionv1connect.SessionServiceClient {
	bearer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+secret)
			return next(ctx, req)
		}
	})
	return sessionv1connect.NewSessionServiceClient(h.Client(), h.URL, connect.WithInterceptors(bearer))
}

func (h *harness) sign(c contextjwt.Claims) string {
	h.t.Helper()
	token, err := h.signer.Sign(c)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// open reads a handoff as the edge would.
func (h *harness) open(value string) handoff.Handoff {
	h.t.Helper()
	out, err := handoff.Open(h.ring, value, h.clock.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// post sends plain JSON, as a client without Connect does.
func (h *harness) post(method, secret, body string) (*http.Response, map[string]any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.URL+"/crossfade.session.v1.SessionService/"+method, bytes.NewBufferString(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	resp, err := h.Client().Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	return resp, out
}

// customer stores an authenticated session with a cart and Django's login bookkeeping.
func (h *harness) customer() (*session.Session, contextjwt.Claims) {
	s := &session.Session{
		ID: session.ID{1}, Lineage: session.Lineage{2}, Generation: 1, Kind: session.Authenticated, Subject: "42",
		AuthTime: h.clock.Now().Add(-time.Hour), Methods: []string{"pwd"}, Created: h.clock.Now().Add(-time.Hour),
		ExpiresAt: h.clock.Now().Add(time.Hour), IdleAt: h.clock.Now().Add(time.Hour), Version: 5, State: session.StateLive,
		Visitor: session.VisitorID{3}, Written: true, LegacyKey: "counterpartkey", LegacyExpires: h.clock.Now().Add(2 * time.Hour),
	}
	h.manager.sessions[s.ID] = s
	h.manager.attrs[s.ID] = map[string]session.Attribute{
		"cart":          {Value: json.RawMessage(`{"12":1.0}`), Version: 2},
		"address":       {Value: json.RawMessage(`"Elm Street"`), Version: 5},
		"_auth_user_id": {Value: json.RawMessage(`"42"`), Version: 5, Private: true},
	}
	return s, contextjwt.Claims{
		Audience: "storefront", System: contextjwt.New, Arm: contextjwt.ArmNew, Visitor: contextjwt.ID{3}, Mark: 7,
		Session: contextjwt.ID(s.ID), Lineage: contextjwt.ID(s.Lineage), Generation: 1, Version: 5,
		Kind: contextjwt.Authenticated, Subject: "42", AuthTime: s.AuthTime.Unix(), Methods: "pwd",
	}
}

// newcomer is the context of a guest token without a record.
func (h *harness) newcomer() contextjwt.Claims {
	return contextjwt.Claims{
		Audience: "storefront", System: contextjwt.New, Arm: contextjwt.ArmNew, Visitor: contextjwt.ID{3},
		Session: contextjwt.ID{9}, Lineage: contextjwt.ID{9}, Generation: 1, Kind: contextjwt.Guest, Unwritten: true,
		GuestIssued: h.clock.Now().Unix() - 60, GuestExpires: h.clock.Now().Unix() + 3600, GuestBorn: 4,
	}
}

func withContext(token string) *sessionv1.Selector { return &sessionv1.Selector{Context: token} }

func withID(id session.ID) *sessionv1.Selector { return &sessionv1.Selector{Id: id.String()} }

func set(pairs ...string) *sessionv1.Attributes {
	out := &sessionv1.Attributes{Values: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		out.Values[pairs[i]] = pairs[i+1]
	}
	return out
}

func wantCode(t *testing.T, err error, code connect.Code) {
	t.Helper()
	if err == nil || connect.CodeOf(err) != code {
		t.Fatalf("want %s, got %v", code, err)
	}
}
