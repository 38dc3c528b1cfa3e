package contextjwt

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

// Keys finds the public key for a key id. An unknown id is answered with a nil key; an error means that
// nobody could be asked.
type Keys interface {
	Key(ctx context.Context, kid string) (ed25519.PublicKey, error)
}

// RingKeys are the public keys of a ring in the same process.
func RingKeys(ring *keyring.Ring) Keys {
	keys := staticKeys{}
	for id, public := range ring.PublicKeys(Purpose) {
		keys[strconv.Itoa(int(id))] = public
	}
	return keys
}

type staticKeys map[string]ed25519.PublicKey

func (k staticKeys) Key(_ context.Context, kid string) (ed25519.PublicKey, error) { return k[kid], nil }

const (
	keysMaxAge   = 5 * time.Minute  // a key that was withdrawn is forgotten by then
	keysMinPause = 10 * time.Second // between two fetches that unknown key ids ask for
	keysRetry    = time.Second      // after a fetch that failed
	keysTimeout  = 2 * time.Second
	keysMaxBody  = 64 << 10
)

// RemoteKeys are keys from a JWKS address. The first use fetches them; afterwards they are fetched
// again when they are old, and at a limited rate when a key id is unknown. While the address cannot
// be reached, the keys that are known stay in use.
type RemoteKeys struct {
	url    string
	client *http.Client
	clock  func() time.Time
	flight chan struct{} // holds the one token of whoever fetches
	set    atomic.Pointer[keySet]
	next   atomic.Int64 // Unix nanoseconds: no fetch before
}

type keySet struct {
	keys    map[string]ed25519.PublicKey
	fetched time.Time
}

// NewRemoteKeys makes a source for the key set at url. It makes no request.
func NewRemoteKeys(url string, client *http.Client, clock func() time.Time) *RemoteKeys {
	r := &RemoteKeys{url: url, client: client, clock: clock, flight: make(chan struct{}, 1)}
	r.set.Store(&keySet{})
	return r
}

// Key finds the key, fetching the set when it must. Callers that need the same fetch share it; a caller
// whose key is known never waits for another's.
func (r *RemoteKeys) Key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	set := r.set.Load()
	key, known := set.keys[kid]
	if known && r.clock().Sub(set.fetched) < keysMaxAge {
		return key, nil
	}
	if known {
		select {
		case r.flight <- struct{}{}:
		default:
			return key, nil // somebody is fetching already
		}
	} else {
		select {
		case r.flight <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-r.flight }()
	return r.refresh(ctx, kid, set)
}

// refresh runs alone. It returns the key from what is known in the end.
func (r *RemoteKeys) refresh(ctx context.Context, kid string, seen *keySet) (ed25519.PublicKey, error) {
	var failed error
	now := r.clock()
	if r.set.Load() == seen && now.UnixNano() >= r.next.Load() {
		if failed = r.fetch(ctx, now); failed != nil {
			r.next.Store(now.Add(keysRetry).UnixNano())
		} else {
			r.next.Store(now.Add(keysMinPause).UnixNano())
		}
	}
	set := r.set.Load()
	if set.keys == nil { // never had any: nothing can be said about this key
		return nil, fault.Wrap(failed, fault.Unavailable, "the keys that sign contexts could not be fetched from %s", r.url).
			WithHint("check that Crossfade's internal listener is up and reachable from here: curl %s", r.url)
	}
	return set.keys[kid], nil
}

func (r *RemoteKeys) fetch(ctx context.Context, now time.Time) error {
	// Detached: one caller that goes away must not spoil the fetch that others wait for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, keysMaxBody+1))
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	case len(body) > keysMaxBody:
		return errors.New("the answer is too large for a key set")
	}
	keys, err := parseJWKS(body)
	if err != nil {
		return err
	}
	r.set.Store(&keySet{keys: keys, fetched: now})
	return nil
}
