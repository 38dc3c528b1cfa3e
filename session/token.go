package session

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
)

// The two spellings of what a browser may carry. The prefixes are there for people and for secret
// scanners; ARCHITECTURE.md, section Cookies, has the layouts byte for byte.
const (
	tokenPrefix = "cf1_"
	guestPrefix = "cfg1_"

	tokenBytes = 16 + 32 + 4
	guestBytes = 1 + 16 + 8 + 8 + 8 + guestMAC
	guestMAC   = 16

	// maxToken bounds what is looked at: a token with the longest hint is 95 characters.
	maxToken = 128

	purposeGuest = "guest"
)

// Secret is the part of a token that nobody else knows. The store keeps its hash alone.
type Secret [32]byte

// Hash is what is stored of a secret. SHA-256 without salt or key is enough: the secret has 256 random
// bits, so there is nothing to guess.
func (s Secret) Hash() SecretHash { return sha256.Sum256(s[:]) }

// SecretHash is SHA-256 of a Secret.
type SecretHash [sha256.Size]byte

// Equal compares in constant time.
func (h SecretHash) Equal(o SecretHash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// Token is a parsed session token.
type Token struct {
	ID     ID
	Secret Secret
	// Hint is the session version that the browser has seen the effect of; 0: none. It is not signed: all
	// that it can do is to force one read past a cache.
	Hint uint64
}

var tokenEncoding = base64.RawURLEncoding.Strict()

// String is the cookie's value, without a hint.
func (t Token) String() string {
	var raw [tokenBytes]byte
	copy(raw[:16], t.ID[:])
	copy(raw[16:48], t.Secret[:])
	sum := checksum(t.ID, t.Secret)
	copy(raw[48:], sum[:])
	return encodeToken(tokenPrefix, raw[:])
}

// ParseToken reads a session token. It answers false for anything that [Token.String] does not make,
// an optional version hint apart; two spellings of one token do not exist.
func ParseToken(s string) (Token, bool) {
	if len(s) > maxToken {
		return Token{}, false
	}
	body, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok {
		return Token{}, false
	}
	var t Token
	if at := strings.IndexByte(body, '.'); at >= 0 {
		hint, ok := parseHint(body[at+1:])
		if !ok {
			return Token{}, false
		}
		t.Hint, body = hint, body[:at]
	}
	var raw [tokenBytes]byte
	if !decodeToken(raw[:], body) {
		return Token{}, false
	}
	t.ID, t.Secret = ID(raw[:16]), Secret(raw[16:48])
	want := checksum(t.ID, t.Secret)
	return t, subtle.ConstantTimeCompare(want[:], raw[48:]) == 1
}

// WithHint appends the version hint to a token.
func WithHint(token string, version uint64) string {
	return token + "." + strconv.FormatUint(version, 10)
}

// parseHint reads a decimal number without sign or leading zero.
func parseHint(s string) (uint64, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// checksum lets a typo, a truncated cookie and a secret scanner be told apart from a real attempt
// without a look into the store.
func checksum(id ID, secret Secret) [4]byte {
	var in [3 + 16 + 32]byte
	copy(in[:], "cf1")
	copy(in[3:], id[:])
	copy(in[19:], secret[:])
	sum := sha256.Sum256(in[:])
	return [4]byte(sum[:4])
}

// IsGuestToken reports whether s claims to be a guest token.
func IsGuestToken(s string) bool { return strings.HasPrefix(s, guestPrefix) }

// FormatGuestToken signs what a guest token says. The proof's Visitor is not part of the token.
func FormatGuestToken(keys *keyring.Ring, p GuestProof) string {
	var raw [guestBytes]byte
	putGuest(raw[:], p)
	// The id of the signing key is part of what it signs, so it has to be known before.
	raw[0], _ = keys.Sum(purposeGuest, nil)
	_, mac := keys.Sum(purposeGuest, raw[:guestBytes-guestMAC])
	copy(raw[guestBytes-guestMAC:], mac[:guestMAC])
	return encodeToken(guestPrefix, raw[:])
}

// ParseGuestToken verifies a guest token's signature with the ring and reads it. It judges neither its
// expiry nor its mark.
func ParseGuestToken(keys *keyring.Ring, s string) (GuestProof, bool) {
	body, ok := strings.CutPrefix(s, guestPrefix)
	if !ok || len(s) > maxToken {
		return GuestProof{}, false
	}
	var raw [guestBytes]byte
	if !decodeToken(raw[:], body) {
		return GuestProof{}, false
	}
	signed, mac := raw[:guestBytes-guestMAC], raw[guestBytes-guestMAC:]
	if !keys.Verify(purposeGuest, raw[0], signed, mac) {
		return GuestProof{}, false
	}
	return GuestProof{
		ID:        ID(raw[1:17]),
		Issued:    unixSeconds(raw[17:25]),
		ExpiresAt: unixSeconds(raw[25:33]),
		Born:      Mark(binary.BigEndian.Uint64(raw[33:41])),
	}, true
}

func putGuest(raw []byte, p GuestProof) {
	copy(raw[1:17], p.ID[:])
	binary.BigEndian.PutUint64(raw[17:25], uint64(p.Issued.Unix()))
	binary.BigEndian.PutUint64(raw[25:33], uint64(p.ExpiresAt.Unix()))
	binary.BigEndian.PutUint64(raw[33:41], uint64(p.Born))
}

func unixSeconds(b []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC()
}

func encodeToken(prefix string, raw []byte) string {
	var buf [maxToken]byte
	return string(tokenEncoding.AppendEncode(append(buf[:0], prefix...), raw))
}

// decodeToken fills raw exactly. The decoder skips line breaks, which would give one token many
// spellings, so the length is held against it first.
func decodeToken(raw []byte, s string) bool {
	if len(s) != tokenEncoding.EncodedLen(len(raw)) {
		return false
	}
	var buf [maxToken]byte
	n, err := tokenEncoding.Decode(raw, buf[:copy(buf[:], s)])
	return err == nil && n == len(raw)
}
