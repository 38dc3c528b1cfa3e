package contextjwt_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

// publisher is a JWKS address that counts, rotates and fails on demand.
type publisher struct {
	*httptest.Server
	ring    atomic.Pointer[keyring.Ring]
	down    atomic.Bool
	fetches atomic.Int64
}

func newPublisher(t *testing.T, ring *keyring.Ring) *publisher {
	p := &publisher{}
	p.ring.Store(ring)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		if p.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		h, err := contextjwt.JWKSHandler(p.ring.Load())
		if err != nil {
			t.Error(err)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func TestRemoteKeys(t *testing.T) {
	old, c := newRing(t, 1), newClock()
	p := newPublisher(t, old)
	keys := contextjwt.NewRemoteKeys(p.URL, p.Client(), c.Now)
	verifier := newVerifier(t, keys, c.Now)
	verify := func(ring *keyring.Ring) error {
		claims := customer()
		claims.Epoch = uint64(c.Now().UnixNano()) // never a cached context
		_, err := verifier.Verify(t.Context(), mustSign(t, newSigner(t, ring, c.Now), claims), "storefront")
		return err
	}

	t.Run("nothing is fetched before it is needed", func(t *testing.T) {
		if p.fetches.Load() != 0 {
			t.Fatal("fetched without a context to verify")
		}
	})
	t.Run("the first context fetches the keys, the second does not", func(t *testing.T) {
		for range 2 {
			if err := verify(old); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Fatalf("%d fetches", n)
		}
	})
	t.Run("unknown key ids cause one fetch in ten seconds, however many come", func(t *testing.T) {
		c.Add(11 * time.Second)
		for range 50 {
			if err := verify(newRing(t, 9)); fault.CodeOf(err) != fault.Unauthenticated {
				t.Fatalf("want unauthenticated, got %v", err)
			}
		}
		if n := p.fetches.Load(); n != 2 {
			t.Fatalf("%d fetches, want 2", n)
		}
	})
	rotated := newRing(t, 2, 1)
	t.Run("a new signing key is picked up", func(t *testing.T) {
		p.ring.Store(rotated)
		c.Add(11 * time.Second)
		if err := verify(rotated); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("while the address is down, known keys stay in use", func(t *testing.T) {
		p.down.Store(true)
		c.Add(time.Hour)
		if err := verify(rotated); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a withdrawn key is forgotten once the keys are old", func(t *testing.T) {
		p.down.Store(false)
		p.ring.Store(newRing(t, 2))
		c.Add(6 * time.Minute)
		if err := verify(old); fault.CodeOf(err) != fault.Unauthenticated {
			t.Fatalf("want unauthenticated, got %v", err)
		}
	})
}

func TestRemoteKeys_never_reached(t *testing.T) {
	ring, c := newRing(t, 1), newClock()
	p := newPublisher(t, ring)
	p.down.Store(true)
	keys := contextjwt.NewRemoteKeys(p.URL, p.Client(), c.Now)
	for range 5 {
		if _, err := keys.Key(t.Context(), "1"); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("want unavailable, got %v", err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches within one second", n)
	}
	p.down.Store(false)
	c.Add(time.Second)
	if key, err := keys.Key(t.Context(), "1"); err != nil || key == nil {
		t.Fatal("did not recover after a second:", err)
	}
}

func TestRemoteKeys_shared_fetch(t *testing.T) {
	c := newClock()
	p := newPublisher(t, newRing(t, 1))
	keys := contextjwt.NewRemoteKeys(p.URL, p.Client(), c.Now)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if key, err := keys.Key(t.Context(), "1"); err != nil || key == nil {
				t.Errorf("key %v, %v", key, err)
			}
		})
	}
	wg.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches for callers that came together", n)
	}
	t.Run("a caller that has gone does not wait", func(t *testing.T) {
		block := make(chan struct{})
		slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
		defer slow.Close()
		defer close(block)
		keys := contextjwt.NewRemoteKeys(slow.URL, slow.Client(), c.Now)
		go func() { _, _ = keys.Key(t.Context(), "1") }()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := keys.Key(gone, "1"); err == nil {
			t.Skip("this caller fetched itself") // the other had not begun: both orders are right
		}
	})
}

func TestJWKS_passes_over_foreign_keys(t *testing.T) {
	c := newClock()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","kid":"1","k":"AAAA"},{"kty":"new","kid":"2"},
			{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"3","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	}))
	defer s.Close()
	keys := contextjwt.NewRemoteKeys(s.URL, s.Client(), c.Now)
	if key, err := keys.Key(t.Context(), "3"); err != nil || key == nil {
		t.Fatalf("key 3: %v, %v", key, err)
	}
	if key, err := keys.Key(t.Context(), "1"); err != nil || key != nil {
		t.Fatalf("a symmetric key counted as a signature key: %v, %v", key, err)
	}
}
