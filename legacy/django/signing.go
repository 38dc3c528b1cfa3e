// Package django reads Django's own session stores: the table of the engines db and cached_db, the keys of the
// engine cache on Redis, and the folder of the engine file.
//
// Invariant: it reads and never writes, and carries nothing out: signatures are checked, JSON and pickles are
// described by package python, and what is compressed is unpacked up to a limit. The formats are those of Django's
// core/signing.py, contrib/sessions/backends and core/cache/backends/redis.py. The inventory calls it.
package django

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"
	"time"
)

// Salt is what Django's own SessionStore classes sign with; a subclass of another name has another.
const Salt = "django.contrib.sessions.SessionStore"

// MaxPayload is the largest session that is unpacked, in bytes.
const MaxPayload = 1 << 20

// Keys check the signatures of session texts.
type Keys struct {
	secrets []string
	salt    string
}

// NewKeys takes SECRET_KEY and after it SECRET_KEY_FALLBACKS, and the salt; empty: [Salt]. Without secrets nothing is
// checked.
func NewKeys(secrets []string, salt string) Keys {
	if salt == "" {
		salt = Salt
	}
	return Keys{secrets: secrets, salt: salt}
}

// Signed is what was under a signature.
type Signed struct {
	Payload []byte    // serialized session data
	At      time.Time // when it was signed, which is when the session was saved; zero: the old format does not say
	Key     int       // number of the key that signed it, 1 for SECRET_KEY; 0: nothing was checked
}

// The errors of opening. Django would take such a session for an empty one.
var (
	ErrSignature = errors.New("signed with none of the keys")
	ErrDamaged   = errors.New("damaged")
	ErrTooLarge  = errors.New("too large")
)

// Open checks and unpacks the text of a session of the engines db, cached_db and file, in the format of Django 3.1 and
// later, or in the one before.
func (k Keys) Open(text string) (Signed, error) {
	if len(text) > 2*MaxPayload {
		return Signed{}, ErrTooLarge
	}
	if !strings.Contains(text, ":") {
		return k.openOld(text)
	}
	cut := strings.LastIndexByte(text, ':')
	signed, signature := text[:cut], text[cut+1:]
	cut = strings.LastIndexByte(signed, ':')
	if cut < 0 {
		return Signed{}, ErrDamaged
	}
	at, ok := base62(signed[cut+1:])
	if !ok {
		return Signed{}, ErrDamaged
	}
	out := Signed{At: time.Unix(at, 0)}
	if len(k.secrets) > 0 {
		given, err := base64.RawURLEncoding.DecodeString(signature)
		if err != nil {
			return out, ErrSignature
		}
		// SHA-1 is what Django 3.1 and 3.2 wrote with DEFAULT_HASHING_ALGORITHM = "sha1".
		if out.Key = k.signer(given, signed, k.salt+"signer", sha256.New, sha1.New); out.Key == 0 {
			return out, ErrSignature
		}
	}
	var err error
	out.Payload, err = unpack(signed[:cut])
	return out, err
}

// openOld reads the format before Django 3.1: base64 of a hex HMAC-SHA1, a colon, and the data.
func (k Keys) openOld(text string) (Signed, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Signed{}, ErrDamaged
	}
	signature, payload, found := bytes.Cut(raw, []byte(":"))
	if !found {
		return Signed{}, ErrDamaged
	}
	out := Signed{}
	if len(k.secrets) > 0 {
		given, err := hex.DecodeString(string(signature))
		if err != nil {
			return out, ErrSignature
		}
		// The salt had no dot.
		salt := strings.Replace(k.salt, "django.contrib.sessions.", "django.contrib.sessions", 1)
		if out.Key = k.signer(given, string(payload), salt, sha1.New); out.Key == 0 {
			return out, ErrSignature
		}
	}
	if len(payload) > MaxPayload {
		return out, ErrTooLarge
	}
	out.Payload = payload
	return out, nil
}

// signer is the number of the key that made the signature; 0: none.
func (k Keys) signer(given []byte, value, salt string, algorithms ...func() hash.Hash) int {
	for _, algorithm := range algorithms {
		for i, secret := range k.secrets {
			if hmac.Equal(given, saltedHMAC(salt, value, secret, algorithm)) {
				return i + 1
			}
		}
	}
	return 0
}

// saltedHMAC is django.utils.crypto.salted_hmac.
func saltedHMAC(salt, value, secret string, algorithm func() hash.Hash) []byte {
	key := algorithm()
	_, _ = io.WriteString(key, salt+secret) // a hash takes everything
	mac := hmac.New(algorithm, key.Sum(nil))
	_, _ = io.WriteString(mac, value)
	return mac.Sum(nil)
}

// unpack undoes the base64, and the zlib that a leading dot announces.
func unpack(text string) ([]byte, error) {
	packed, compressed := strings.CutPrefix(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil {
		return nil, ErrDamaged
	}
	if compressed {
		return inflate(raw)
	}
	if len(raw) > MaxPayload {
		return nil, ErrTooLarge
	}
	return raw, nil
}

// inflate unpacks zlib up to the limit: a few kilobytes can hold gigabytes.
func inflate(raw []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, ErrDamaged
	}
	return bounded(r)
}

func bounded(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, MaxPayload+1))
	switch {
	case len(out) > MaxPayload:
		return nil, ErrTooLarge
	case err != nil:
		return nil, ErrDamaged
	}
	return out, nil
}

// base62 is how Django writes the time.
func base62(s string) (int64, bool) {
	if s == "" || len(s) > 8 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		digit := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", s[i])
		if digit < 0 {
			return 0, false
		}
		n = n*62 + int64(digit)
	}
	return n, true
}
