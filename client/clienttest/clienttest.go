// Package clienttest is a small Crossfade in memory, for the tests of services that use the client
// library: visitors with and without a login, their session values, and outages on demand.
//
// Invariant: the service under test runs the real client over real HTTP; only what answers is a fake, and
// it keeps the session API's rules as far as a service can notice them.
package clienttest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

const secret = "clienttest-secret"

// Crossfade is the fake. It is safe for concurrent use.
type Crossfade struct {
	// Client is a client of it, for the service under test.
	Client *client.Client

	name   string
	server *httptest.Server
	signer *contextjwt.Signer
	clock  func() time.Time

	mu       sync.Mutex
	down     bool
	calls    int
	made     byte
	sessions map[contextjwt.ID]*record
}

// TB is the part of testing.TB that [New] needs.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// New starts a Crossfade that ends with the test. change adapts the client's configuration, whose Name
// may be set and whose API and Secret are given.
func New(tb TB, change ...func(*client.Config)) *Crossfade {
	tb.Helper()
	c, err := Start(change...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// Start is [New] without a test. Close it.
func Start(change ...func(*client.Config)) (*Crossfade, error) {
	cfg := client.Config{Name: "service-under-test", Secret: secret, Clock: time.Now}
	for _, f := range change {
		f(&cfg)
	}
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte("t"), keyring.MinSecret)})
	if err != nil {
		return nil, fmt.Errorf("clienttest: %w", err)
	}
	c := &Crossfade{name: cfg.Name, clock: cfg.Clock, sessions: map[contextjwt.ID]*record{}}
	if c.signer, err = contextjwt.NewSigner(contextjwt.SignerConfig{Ring: ring, Clock: cfg.Clock}); err != nil {
		return nil, fmt.Errorf("clienttest: %w", err)
	}
	keys, err := contextjwt.JWKSHandler(ring)
	if err != nil {
		return nil, fmt.Errorf("clienttest: %w", err)
	}
	path, api := sessionv1connect.NewSessionServiceHandler(&service{Crossfade: c})
	mux := http.NewServeMux()
	mux.Handle(contextjwt.JWKSPath, keys)
	mux.Handle(path, c.gate(api))
	c.server = httptest.NewServer(mux)
	cfg.API, cfg.Secret = c.server.URL, secret
	if c.Client, err = client.New(cfg); err != nil {
		c.server.Close()
		return nil, err
	}
	return c, nil
}

// Close ends it.
func (c *Crossfade) Close() {
	c.server.CloseClientConnections()
	c.server.Close()
}

// Down makes the session API answer nothing but errors, or ends that. Identity goes on working.
func (c *Crossfade) Down(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// Calls is how many calls of the session API there were.
func (c *Crossfade) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *Crossfade) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.calls++
		down := c.down
		c.mu.Unlock()
		switch {
		case down:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case r.Header.Get("Authorization") != "Bearer "+secret:
			http.Error(w, "wrong secret", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
