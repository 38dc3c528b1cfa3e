package session_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

func ring(t testing.TB, ids ...byte) *keyring.Ring {
	t.Helper()
	var secrets []keyring.Secret
	for _, id := range ids {
		secrets = append(secrets, keyring.Secret{ID: id, Bytes: bytes.Repeat([]byte{id}, 32)})
	}
	r, err := keyring.New(rand.Reader, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sequence(first byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = first + byte(i)
	}
	return out
}

// vector is the token of id 00..0f and secret 10..2f, computed apart from this code:
//
//	python3 -c 'import hashlib,base64 as b;p=bytes(range(48));print(b.urlsafe_b64encode(p+hashlib.sha256(b"cf1"+p).digest()[:4]))'
const vector = "cf1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vLWMSeQ"

func TestToken(t *testing.T) {
	tok := session.Token{ID: session.ID(sequence(0, 16)), Secret: session.Secret(sequence(16, 32))}
	t.Run("is id, secret and checksum", func(t *testing.T) {
		if got := tok.String(); got != vector {
			t.Fatalf("got %s", got)
		}
	})
	t.Run("comes back, with and without a hint", func(t *testing.T) {
		for hint, s := range map[uint64]string{0: vector, 7: session.WithHint(vector, 7), 1<<64 - 1: session.WithHint(vector, 1<<64-1)} {
			got, ok := session.ParseToken(s)
			if want := (session.Token{ID: tok.ID, Secret: tok.Secret, Hint: hint}); !ok || got != want {
				t.Fatalf("%s: %v %+v", s, ok, got)
			}
		}
	})
	t.Run("has one spelling", func(t *testing.T) {
		last := vector[len(vector)-1]
		for name, s := range map[string]string{
			"empty": "", "prefix alone": "cf1_", "no prefix": vector[4:], "other prefix": "cf2_" + vector[4:], "upper prefix": "CF1_" + vector[4:],
			"shorter": vector[:len(vector)-1], "longer": vector + "A", "padded": vector + "==", "space": vector + " ", "line break": vector[:20] + "\n" + vector[20:],
			"line break for a letter": vector[:20] + "\n" + vector[21:], "standard alphabet": strings.Replace(vector, "-", "+", 1) + "+",
			"trailing bits":   vector[:len(vector)-1] + string(rune(last+1)),
			"checksum broken": "cf1_B" + vector[5:],
			"empty hint":      vector + ".", "hint zero": vector + ".0", "hint padded": vector + ".07", "hint signed": vector + ".+7", "hint hex": vector + ".a",
			"hint too large": vector + ".18446744073709551616", "two hints": vector + ".1.2", "hint of a megabyte": vector + "." + strings.Repeat("1", 1<<20),
		} {
			if _, ok := session.ParseToken(s); ok {
				t.Errorf("%s: accepted", name)
			}
		}
	})
}

func proof() session.GuestProof {
	return session.GuestProof{ID: session.ID(sequence(0, 16)), Issued: time.Unix(1_700_000_000, 0).UTC(), ExpiresAt: time.Unix(1_700_003_600, 0).UTC(), Born: 5}
}

func TestGuestToken(t *testing.T) {
	old, both, fresh := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	t.Run("says what was signed, for every key of the ring", func(t *testing.T) {
		s := session.FormatGuestToken(old, proof())
		for _, r := range []*keyring.Ring{old, both} {
			if got, ok := session.ParseGuestToken(r, s); !ok || got != proof() {
				t.Fatalf("%v %+v", ok, got)
			}
		}
		if _, ok := session.ParseGuestToken(fresh, s); ok {
			t.Fatal("accepted under a ring without its key")
		}
	})
	t.Run("has the layout of the contract", func(t *testing.T) {
		s := session.FormatGuestToken(both, proof())
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, "cfg1_"))
		if err != nil || len(raw) != 57 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		want := "02" + "000102030405060708090a0b0c0d0e0f" + "000000006553f100" + "000000006553ff10" + "0000000000000005"
		if got := hex.EncodeToString(raw[:41]); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if !both.Verify("guest", 2, raw[:41], raw[41:]) {
			t.Fatal("the mac is not the ring's")
		}
	})
	t.Run("every changed bit is noticed", func(t *testing.T) {
		s := session.FormatGuestToken(old, proof())
		raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, "cfg1_"))
		for i := range len(raw) * 8 {
			raw[i/8] ^= 1 << (i % 8)
			if _, ok := session.ParseGuestToken(old, "cfg1_"+base64.RawURLEncoding.EncodeToString(raw)); ok {
				t.Fatalf("bit %d", i)
			}
			raw[i/8] ^= 1 << (i % 8)
		}
	})
	t.Run("is no session token, and the other way round", func(t *testing.T) {
		if _, ok := session.ParseToken(session.FormatGuestToken(old, proof())); ok {
			t.Fatal("a guest token passes as a session token")
		}
		if _, ok := session.ParseGuestToken(old, vector); ok {
			t.Fatal("a session token passes as a guest token")
		}
	})
}

func FuzzParseToken(f *testing.F) {
	for _, s := range []string{"", "cf1_", vector, vector + ".7", vector + ".", "cf1_" + strings.Repeat("A", 70), "cf1_....", "\n", vector[:40] + "\n" + vector[41:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tok, ok := session.ParseToken(s)
		if !ok {
			return
		}
		want := tok.String()
		if tok.Hint != 0 {
			want = session.WithHint(want, tok.Hint)
		}
		if s != want {
			t.Fatalf("%q is another spelling of %q", s, want)
		}
	})
}

func FuzzParseGuestToken(f *testing.F) {
	keys := ring(f, 1)
	for _, s := range []string{"", "cfg1_", session.FormatGuestToken(keys, proof()), "cfg1_" + strings.Repeat("A", 76)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := session.ParseGuestToken(keys, s); ok && session.FormatGuestToken(keys, p) != s {
			t.Fatalf("%q is another spelling", s)
		}
	})
}
