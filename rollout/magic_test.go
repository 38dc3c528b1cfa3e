package rollout_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/rollout"
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

func TestMagic(t *testing.T) {
	keys := ring(t, 1)
	id, me, you := rollout.MagicID{7}, [16]byte{1}, [16]byte{2}
	cookie := rollout.MintMagic(keys, id, start.Add(time.Hour))

	fresh, err := rollout.VerifyMagic(keys, cookie, me, start)
	if err != nil || fresh.ID != id || fresh.Bound || !fresh.Expires.Equal(start.Add(time.Hour)) {
		t.Fatalf("a fresh cookie: %+v, %v", fresh, err)
	}
	bound := rollout.BindMagic(keys, fresh, me)

	t.Run("a bound cookie works for its visitor", func(t *testing.T) {
		if m, err := rollout.VerifyMagic(keys, bound, me, start); err != nil || !m.Bound || m.ID != id {
			t.Fatal(m, err)
		}
	})
	t.Run("and for nobody else", func(t *testing.T) {
		for _, visitor := range [][16]byte{you, {}} {
			if _, err := rollout.VerifyMagic(keys, bound, visitor, start); !errors.Is(err, rollout.ErrMagicStranger) {
				t.Fatal(err)
			}
		}
	})
	t.Run("it ends at its time", func(t *testing.T) {
		if _, err := rollout.VerifyMagic(keys, bound, me, start.Add(time.Hour)); !errors.Is(err, rollout.ErrMagicExpired) {
			t.Fatal(err)
		}
		if _, err := rollout.VerifyMagic(keys, bound, me, start.Add(time.Hour-time.Second)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a rotated ring still verifies", func(t *testing.T) {
		if _, err := rollout.VerifyMagic(ring(t, 2, 1), bound, me, start); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("another ring does not", func(t *testing.T) {
		if _, err := rollout.VerifyMagic(ring(t, 2), bound, me, start); !errors.Is(err, rollout.ErrMagicForged) {
			t.Fatal(err)
		}
	})
	t.Run("every altered character is refused", func(t *testing.T) {
		for i := range bound {
			for _, c := range []byte("Az9_\n") {
				bad := []byte(bound)
				if bad[i] == c {
					continue
				}
				bad[i] = c
				if _, err := rollout.VerifyMagic(keys, string(bad), me, start); !errors.Is(err, rollout.ErrMagicForged) {
					t.Fatalf("character %d as %q: %v", i, c, err)
				}
			}
		}
	})
	t.Run("no other length is read", func(t *testing.T) {
		for _, bad := range []string{"", "cfm1_", bound[:len(bound)-1], bound + "A", strings.Repeat("A", 1<<16)} {
			if _, err := rollout.VerifyMagic(keys, bad, me, start); !errors.Is(err, rollout.ErrMagicForged) {
				t.Fatal(err)
			}
		}
	})
	t.Run("an id of zeros is nobody's", func(t *testing.T) {
		if _, err := rollout.VerifyMagic(keys, rollout.MintMagic(keys, rollout.MagicID{}, start.Add(time.Hour)), me, start); err == nil {
			t.Fatal("accepted")
		}
	})
}

func TestParseMagicID(t *testing.T) {
	id := rollout.MagicID{1, 2, 255}
	if got, err := rollout.ParseMagicID(id.String()); err != nil || got != id {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("g", 32), strings.Repeat("0", 33)} {
		if _, err := rollout.ParseMagicID(bad); err == nil {
			t.Fatalf("%q accepted", bad)
		}
	}
}

func FuzzVerifyMagic(f *testing.F) {
	keys := ring(f, 1)
	me := [16]byte{1}
	fresh := rollout.MintMagic(keys, rollout.MagicID{7}, start.Add(time.Hour))
	f.Add(fresh)
	f.Add(rollout.BindMagic(keys, rollout.Magic{ID: rollout.MagicID{7}, Expires: start.Add(time.Hour)}, me))
	f.Add("cfm1_")
	f.Fuzz(func(t *testing.T, cookie string) {
		m, err := rollout.VerifyMagic(keys, cookie, me, start)
		if err == nil && cookie != fresh && cookie != rollout.BindMagic(keys, m, me) {
			t.Fatalf("accepted a second spelling: %q", cookie)
		}
	})
}

func BenchmarkVerifyMagic(b *testing.B) {
	keys := ring(b, 1)
	me := [16]byte{1}
	cookie := rollout.BindMagic(keys, rollout.Magic{ID: rollout.MagicID{7}, Expires: start.Add(time.Hour)}, me)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rollout.VerifyMagic(keys, cookie, me, start); err != nil {
			b.Fatal(err)
		}
	}
}
