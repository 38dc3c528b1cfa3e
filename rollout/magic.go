package rollout

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
)

// MagicID names one issued magic cookie. It is public: it stands in the changelog.
type MagicID [16]byte

// String is 32 hex digits.
func (id MagicID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is no magic cookie.
func (id MagicID) IsZero() bool { return id == MagicID{} }

// ParseMagicID reads 32 hex digits.
func ParseMagicID(s string) (MagicID, error) {
	var id MagicID
	if len(s) != 2*len(id) {
		return MagicID{}, errMagicID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return MagicID{}, errMagicID
	}
	return id, nil
}

var errMagicID = errors.New("want 32 hex digits")

// Why a magic cookie counts for nothing.
var (
	ErrMagicForged   = errors.New("rollout: not a magic cookie of ours")
	ErrMagicExpired  = errors.New("rollout: the magic cookie has expired")
	ErrMagicStranger = errors.New("rollout: the magic cookie is bound to another visitor")
)

// Magic is what a verified magic cookie says.
type Magic struct {
	ID      MagicID
	Expires time.Time // to the second
	Bound   bool      // false: fresh from the registry; the edge binds it to its visitor at first use
}

// The cookie: "cfm1_" + base64url-nopad(key id 1 ‖ id 16 ‖ expires 8 ‖ visitor 16 ‖ mac 16), big endian Unix
// seconds; a visitor of zeros is unbound; mac = the first 16 bytes of the ring's HMAC for purpose
// "magic" over all before it but the key id.
const (
	magicPrefix  = "cfm1_"
	magicPurpose = "magic"
	magicBody    = 16 + 8 + 16
	magicSize    = 1 + magicBody + 16
)

// MintMagic makes the cookie that is handed to a person: it works once for whichever visitor brings it.
func MintMagic(ring *keyring.Ring, id MagicID, expires time.Time) string {
	return mint(ring, id, expires, [16]byte{})
}

// BindMagic makes the cookie that only this visitor can use. A zero visitor would unbind it; the
// caller has given the browser a visitor id before.
func BindMagic(ring *keyring.Ring, m Magic, visitor [16]byte) string {
	return mint(ring, m.ID, m.Expires, visitor)
}

func mint(ring *keyring.Ring, id MagicID, expires time.Time, visitor [16]byte) string {
	raw := make([]byte, 1, magicSize)
	raw = append(raw, id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(expires.Unix()))
	raw = append(raw, visitor[:]...)
	key, sum := ring.Sum(magicPurpose, raw[1:])
	raw[0] = key
	raw = append(raw, sum[:16]...)
	return magicPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// VerifyMagic reads a magic cookie that a visitor presents. It knows nothing of revocation, which rides
// on the snapshot and is [Decide]'s business.
func VerifyMagic(ring *keyring.Ring, cookie string, visitor [16]byte, now time.Time) (Magic, error) {
	text, ok := strings.CutPrefix(cookie, magicPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(magicSize) {
		return Magic{}, ErrMagicForged
	}
	var raw [magicSize]byte
	// The decoder skips line breaks, so the length is checked again: one cookie has one spelling.
	if n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(text)); err != nil || n != magicSize {
		return Magic{}, ErrMagicForged
	}
	body, mac := raw[1:1+magicBody], raw[1+magicBody:]
	if !ring.Verify(magicPurpose, raw[0], body, mac) {
		return Magic{}, ErrMagicForged
	}
	bound := [16]byte(body[24:40])
	m := Magic{
		ID:      MagicID(body[:16]),
		Expires: time.Unix(int64(binary.BigEndian.Uint64(body[16:24])), 0),
		Bound:   bound != [16]byte{},
	}
	switch {
	case m.ID.IsZero():
		return Magic{}, ErrMagicForged
	case !now.Before(m.Expires):
		return m, ErrMagicExpired
	case m.Bound && bound != visitor:
		return m, ErrMagicStranger
	}
	return m, nil
}
