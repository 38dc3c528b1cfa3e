package contextjwt_test

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/keyring"
)

// clock is a time that only tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Unix(1_700_000_000, 0).UnixNano())
	return c
}

func (c *clock) Now() time.Time      { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Add(d time.Duration) { c.nanos.Add(int64(d)) }

func newRing(tb testing.TB, ids ...byte) *keyring.Ring {
	tb.Helper()
	var secrets []keyring.Secret
	for _, id := range ids {
		secrets = append(secrets, keyring.Secret{ID: id, Bytes: bytes.Repeat([]byte{id}, 32)})
	}
	ring, err := keyring.New(rand.Reader, secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func newSigner(tb testing.TB, ring *keyring.Ring, now func() time.Time) *contextjwt.Signer {
	tb.Helper()
	s, err := contextjwt.NewSigner(contextjwt.SignerConfig{Ring: ring, Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newVerifier(tb testing.TB, keys contextjwt.Keys, now func() time.Time) *contextjwt.Verifier {
	tb.Helper()
	v, err := contextjwt.NewVerifier(contextjwt.VerifierConfig{Keys: keys, Clock: now})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func mustSign(tb testing.TB, s *contextjwt.Signer, c contextjwt.Claims) string {
	tb.Helper()
	token, err := s.Sign(c)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func id(b byte) (id contextjwt.ID) {
	for i := range id {
		id[i] = b
	}
	return id
}

// customer is a logged-in visitor of the storefront.
func customer() contextjwt.Claims {
	return contextjwt.Claims{
		Audience: "storefront", System: contextjwt.New, Visitor: id(1), Arm: contextjwt.ArmNew, Epoch: 3, Mark: 7,
		Session: id(2), Lineage: id(3), Generation: 1, Version: 9, Kind: contextjwt.Authenticated,
		Subject: "42", AuthTime: 1_699_999_000, Methods: contextjwt.JoinMethods([]string{"pwd", "otp"}), Level: "aal2",
	}
}

// newcomer is a guest whose token has no record behind it.
func newcomer() contextjwt.Claims {
	return contextjwt.Claims{
		Audience: "storefront", System: contextjwt.New, Visitor: id(1), Arm: contextjwt.ArmNone,
		Session: id(4), Lineage: id(5), Generation: 1, Kind: contextjwt.Guest,
		Unwritten: true, GuestIssued: 1_699_999_990, GuestExpires: 1_700_900_000,
	}
}
