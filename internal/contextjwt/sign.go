package contextjwt

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"time"

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
	clock   func() time.Time
	private ed25519.PrivateKey
	header  string // base64url
	cache   *otter.Cache[addressee, *Signed]
}

// Signed is a context with what it says. It is not changed once it is made.
type Signed struct {
	Token  string
	claims Claims
}

// addressee is what a cached context is found by; whether it says the right thing is looked at then.
type addressee struct {
	session, visitor ID
	audience         string
}

// NewSigner makes a signer.
func NewSigner(cfg SignerConfig) (*Signer, error) {
	id, private := cfg.Ring.SigningKey(Purpose)
	header := fmt.Sprintf(`{"alg":"EdDSA","typ":%q,"kid":"%d"}`, Type, id)
	cache, err := newCache[addressee, *Signed](cfg.CacheSize)
	if err != nil {
		return nil, err
	}
	return &Signer{
		clock: cfg.Clock, private: private, cache: cache,
		header: base64.RawURLEncoding.EncodeToString([]byte(header)),
	}, nil
}

// Sign returns a context that says c and has [MinLeft] or more to live. Issuer, IssuedAt and Expires are
// filled in; whatever c has there is ignored. What was signed before is used again as long as it says
// exactly the same, so a session that changed in any way never gets its earlier context.
func (s *Signer) Sign(c Claims) (string, error) {
	signed, err := s.SignAfter(nil, &c)
	if err != nil {
		return "", err
	}
	return signed.Token, nil
}

// SignAfter is Sign for a caller who has kept what was signed last for the same session, which saves the
// look-up; nil: nothing.
func (s *Signer) SignAfter(last *Signed, c *Claims) (*Signed, error) {
	now := s.clock().Unix()
	if last.says(c, now) {
		return last, nil
	}
	at := addressee{session: c.Session, visitor: c.Visitor, audience: c.Audience}
	if hit, _ := s.cache.GetIfPresent(at); hit.says(c, now) {
		return hit, nil
	}
	fresh, err := s.sign(*c, now)
	if err != nil {
		return nil, err
	}
	s.cache.Set(at, fresh)
	return fresh, nil
}

// says reports whether the context may be sent for c at this moment.
func (s *Signed) says(c *Claims, now int64) bool {
	// Issued in the future means that the clock went back: verifiers would refuse it.
	if s == nil || s.claims.IssuedAt > now || s.claims.Expires-now < int64(MinLeft/time.Second) {
		return false
	}
	wanted := *c
	wanted.Issuer, wanted.IssuedAt, wanted.Expires = s.claims.Issuer, s.claims.IssuedAt, s.claims.Expires
	return s.claims == wanted
}

func (s *Signer) sign(c Claims, now int64) (*Signed, error) {
	c.Issuer, c.IssuedAt, c.Expires = Issuer, now, now+int64(Life/time.Second)
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("contextjwt: sign: %w", err)
	}
	payload, err := c.MarshalJSON() // json.Marshal would call this, and go through its result once more
	if err != nil {
		return nil, fmt.Errorf("contextjwt: sign: %w", err)
	}
	token := s.compact(payload)
	if len(token) > MaxSize {
		return nil, fmt.Errorf("contextjwt: sign: %d bytes, more than any verifier accepts (%d)", len(token), MaxSize)
	}
	return &Signed{Token: token, claims: c}, nil
}

// compact is the JWS compact serialization (RFC 7515, section 7.1) with EdDSA (RFC 8037): three parts in
// base64url, the third the signature of what stands before it. A library would build the header anew each
// time, at as many allocations again as all the rest.
func (s *Signer) compact(payload []byte) string {
	out := make([]byte, 0, len(s.header)+1+base64.RawURLEncoding.EncodedLen(len(payload))+1+base64.RawURLEncoding.EncodedLen(ed25519.SignatureSize))
	out = append(out, s.header...)
	out = append(out, '.')
	out = base64.RawURLEncoding.AppendEncode(out, payload)
	signature := ed25519.Sign(s.private, out)
	out = append(out, '.')
	return string(base64.RawURLEncoding.AppendEncode(out, signature))
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
