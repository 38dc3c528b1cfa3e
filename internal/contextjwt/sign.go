package contextjwt

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"

	"crossfade.dev/crossfade/internal/keyring"
)

// DefaultCacheSize is how many signed contexts a signer, and verified ones a verifier, keeps when the
// caller does not say: about 20 MB at the most.
const DefaultCacheSize = 16384

// SignerConfig is what a signer needs.
type SignerConfig struct {
	Ring      *keyring.Ring
	Clock     func() time.Time
	CacheSize int // 0: DefaultCacheSize
}

// Signer signs contexts with the ring's first key and keeps them for as long as they may be sent again.
// It is safe for concurrent use; a new ring needs a new signer.
type Signer struct {
	clock  func() time.Time
	signer jose.Signer
	cache  *otter.Cache[Claims, signed]
}

type signed struct {
	token    string
	issuedAt int64
	expires  int64
}

// NewSigner makes a signer.
func NewSigner(cfg SignerConfig) (*Signer, error) {
	id, private := cfg.Ring.SigningKey(Purpose)
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.EdDSA,
			Key:       jose.JSONWebKey{Key: private, KeyID: strconv.Itoa(int(id))},
		},
		(&jose.SignerOptions{}).WithType(Type),
	)
	if err != nil {
		return nil, fmt.Errorf("contextjwt: make signer: %w", err)
	}
	cache, err := newCache[Claims, signed](cfg.CacheSize)
	if err != nil {
		return nil, err
	}
	return &Signer{clock: cfg.Clock, signer: signer, cache: cache}, nil
}

// Sign returns a context that says c and has [MinLeft] or more to live. Issuer, IssuedAt and Expires are
// filled in; whatever c has there is ignored. What was signed before is used again as long as it says
// exactly the same, so a session that changed in any way never gets its earlier context.
func (s *Signer) Sign(c Claims) (string, error) {
	now := s.clock().Unix()
	c.Issuer, c.IssuedAt, c.Expires = Issuer, 0, 0
	// Issued in the future means that the clock went back: verifiers would refuse it.
	if hit, ok := s.cache.GetIfPresent(c); ok && hit.issuedAt <= now && hit.expires-now >= int64(MinLeft/time.Second) {
		return hit.token, nil
	}
	fresh, err := s.sign(c, now)
	if err != nil {
		return "", err
	}
	s.cache.Set(c, fresh)
	return fresh.token, nil
}

func (s *Signer) sign(c Claims, now int64) (signed, error) {
	c.IssuedAt, c.Expires = now, now+int64(Life/time.Second)
	if err := c.check(); err != nil {
		return signed{}, fmt.Errorf("contextjwt: sign: %w", err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return signed{}, fmt.Errorf("contextjwt: sign: %w", err)
	}
	object, err := s.signer.Sign(payload)
	if err != nil {
		return signed{}, fmt.Errorf("contextjwt: sign: %w", err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		return signed{}, fmt.Errorf("contextjwt: sign: %w", err)
	}
	if len(token) > MaxSize {
		return signed{}, fmt.Errorf("contextjwt: sign: %d bytes, more than any verifier accepts (%d)", len(token), MaxSize)
	}
	return signed{token: token, issuedAt: c.IssuedAt, expires: c.Expires}, nil
}

func newCache[K comparable, V any](size int) (*otter.Cache[K, V], error) {
	if size <= 0 {
		size = DefaultCacheSize
	}
	cache, err := otter.New(&otter.Options[K, V]{MaximumSize: size})
	if err != nil {
		return nil, fmt.Errorf("contextjwt: make cache: %w", err)
	}
	return cache, nil
}
