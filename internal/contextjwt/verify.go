package contextjwt

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"

	"crossfade.dev/crossfade/internal/fault"
)

// VerifierConfig is what a verifier needs.
type VerifierConfig struct {
	Keys      Keys
	Clock     func() time.Time
	CacheSize int // 0: DefaultCacheSize
	// Leeway is for how long after its expiry a context still counts, beyond [Skew]. A service leaves
	// it at 0. The session API grants some, because a request that began with a good context may take
	// longer than [Life] before it writes, and the API checks the session itself again.
	Leeway time.Duration
}

// Verifier checks contexts offline. It is safe for concurrent use.
type Verifier struct {
	keys   Keys
	clock  func() time.Time
	leeway time.Duration
	// By the whole token: a hit has passed signature and type. Time and audience are checked each time.
	cache *otter.Cache[string, *Claims]
}

// NewVerifier makes a verifier.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	cache, err := newCache[string, *Claims](cfg.CacheSize)
	if err != nil {
		return nil, err
	}
	return &Verifier{keys: cfg.Keys, clock: cfg.Clock, leeway: cfg.Leeway, cache: cache}, nil
}

// Verify returns what a context says if it was made for this audience, is in force now and is signed by
// a known key. The claims are shared between callers: do not change them. Errors have code
// unauthenticated, or unavailable when the keys could not be had.
func (v *Verifier) Verify(ctx context.Context, token, audience string) (*Claims, error) {
	claims, ok := v.cache.GetIfPresent(token)
	if !ok {
		var err error
		if claims, err = v.open(ctx, token); err != nil {
			return nil, err
		}
	}
	if err := v.inForce(claims, audience); err != nil {
		return nil, err
	}
	if !ok {
		v.cache.Set(strings.Clone(token), claims) // the original may be part of a large buffer
	}
	return claims, nil
}

func (v *Verifier) inForce(c *Claims, audience string) error {
	now := v.clock()
	switch {
	case c.Audience != audience:
		return refuse("the context was made for %q, not for %q", c.Audience, audience).
			WithHint("give this service the name that its upstream has in Crossfade's configuration")
	case now.Before(time.Unix(c.IssuedAt, 0).Add(-Skew)):
		return refuse("the context was issued in the future").WithHint("compare the clocks of this host and of the edge")
	case !now.Before(time.Unix(c.Expires, 0).Add(Skew + v.leeway)):
		return refuse("the context has expired").WithHint("use it while the request it came with is being served; if it is fresh, compare the clocks of this host and of the edge")
	}
	return nil
}

func (v *Verifier) open(ctx context.Context, token string) (*Claims, error) {
	if len(token) > MaxSize {
		return nil, refuse("the context is longer than %d bytes", MaxSize)
	}
	if !isCanonical(token) {
		return nil, refuse("the context is malformed")
	}
	object, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, malformed(err)
	}
	header := object.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != Type {
		return nil, refuse("the token is not a context")
	}
	if !isKeyID(header.KeyID) {
		return nil, refuse("the context names no key")
	}
	key, err := v.keys.Key(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, refuse("the context is signed with key %s, which is not published", header.KeyID).
			WithHint("check that this service fetches its keys from the same Crossfade that signs")
	}
	payload, err := object.Verify(key)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unauthenticated, "the context's signature is wrong")
	}
	claims := &Claims{}
	if err := json.Unmarshal(payload, claims); err != nil {
		return nil, malformed(err)
	}
	if err := claims.check(); err != nil {
		return nil, malformed(err)
	}
	return claims, nil
}

// isKeyID holds for the decimal ids of a ring, 1 to 255, so that nothing else causes a look-up.
func isKeyID(kid string) bool {
	if len(kid) == 0 || len(kid) > 3 || kid[0] == '0' {
		return false
	}
	for _, c := range []byte(kid) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isCanonical holds for base64 in its one canonical spelling. The decoders also take line breaks and any
// value in the unused low bits, so that one signature would fit many tokens.
func isCanonical(token string) bool {
	if strings.ContainsAny(token, "\r\n") {
		return false
	}
	for part := range strings.SplitSeq(token, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return false
		}
	}
	return true
}

func malformed(err error) error {
	return fault.Wrap(err, fault.Unauthenticated, "the context is malformed")
}

func refuse(format string, args ...any) *fault.Error {
	return fault.New(fault.Unauthenticated, format, args...)
}
