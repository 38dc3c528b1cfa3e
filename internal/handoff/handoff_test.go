package handoff_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

var now = time.Unix(1_700_000_000, 0)

func ring(tb testing.TB, id byte) *keyring.Ring {
	tb.Helper()
	r, err := keyring.New(rand.Reader, keyring.Secret{ID: id, Bytes: bytes.Repeat([]byte{id}, 32)})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func sample() handoff.Handoff {
	return handoff.Handoff{
		From: session.ID{1}, Token: "cf1_secret", Lineage: session.Lineage{2}, Subject: "42",
		LegacyKey: "abcdefgh", LegacyExpires: now.Add(time.Hour), Expires: now.Add(24 * time.Hour), Transient: true,
	}
}

func TestHandoff(t *testing.T) {
	r := ring(t, 1)
	value := handoff.Seal(r, sample(), now)

	t.Run("what was sealed is what opens", func(t *testing.T) {
		guest := handoff.Handoff{Token: "cf1_guest", Lineage: session.Lineage{3}, Expires: now.Add(time.Hour)}
		for _, want := range []handoff.Handoff{sample(), guest} {
			got, err := handoff.Open(r, handoff.Seal(r, want, now), now)
			if err != nil || got != want {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
		}
	})
	t.Run("the token cannot be read", func(t *testing.T) {
		if bytes.Contains([]byte(value), []byte("cf1_")) {
			t.Fatal("the token shows")
		}
	})
	t.Run("it opens for sixty seconds", func(t *testing.T) {
		if _, err := handoff.Open(r, value, now.Add(59*time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := handoff.Open(r, value, now.Add(60*time.Second)); fault.CodeOf(err) != fault.Denied {
			t.Fatalf("want denied, got %v", err)
		}
	})
	t.Run("another ring, another purpose, any altered byte are refused", func(t *testing.T) {
		bad := []string{handoff.Seal(ring(t, 2), sample(), now), "", "x", value + "A", value + "\n", string(r.Seal("ticket", []byte("{}")))}
		for i := range value {
			b := []byte(value)
			b[i] ^= 1
			bad = append(bad, string(b))
		}
		for _, v := range bad {
			if _, err := handoff.Open(r, v, now); fault.CodeOf(err) != fault.Denied {
				t.Fatalf("%q: want denied, got %v", v, err)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	r := ring(f, 1)
	f.Add(handoff.Seal(r, sample(), now))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, value string) {
		if h, err := handoff.Open(r, value, now); err == nil && h.Token != sample().Token {
			t.Fatalf("%q opened as %+v", value, h)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, 1)
	value := handoff.Seal(r, sample(), now)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handoff.Open(r, value, now); err != nil {
			b.Fatal(err)
		}
	}
}
