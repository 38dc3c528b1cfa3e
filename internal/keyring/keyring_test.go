package keyring_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"crossfade.dev/crossfade/internal/keyring"
)

func secret(id byte) keyring.Secret {
	return keyring.Secret{ID: id, Bytes: bytes.Repeat([]byte{id}, 32)}
}

func ring(t *testing.T, ids ...byte) *keyring.Ring {
	t.Helper()
	var secrets []keyring.Secret
	for _, id := range ids {
		secrets = append(secrets, secret(id))
	}
	r, err := keyring.New(rand.Reader, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRing_Seal(t *testing.T) {
	old, both, only := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	sealed := old.Seal("ticket", []byte("hello"))

	t.Run("a rotated ring still opens what the old key sealed", func(t *testing.T) {
		if got, err := both.Open("ticket", sealed); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
	t.Run("a ring without the key refuses", func(t *testing.T) {
		if _, err := only.Open("ticket", sealed); err == nil {
			t.Fatal("opened with a key that the ring does not have")
		}
	})
	t.Run("another purpose refuses", func(t *testing.T) {
		if _, err := both.Open("handoff", sealed); err == nil {
			t.Fatal("opened for another purpose")
		}
	})
	t.Run("every altered byte is refused", func(t *testing.T) {
		for i := range sealed {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			if _, err := both.Open("ticket", bad); err == nil {
				t.Fatalf("opened with byte %d altered", i)
			}
		}
	})
}

func TestRing_Sum(t *testing.T) {
	old, both := ring(t, 1), ring(t, 2, 1)
	id, sum := old.Sum("visitor", []byte("v"))
	if !both.Verify("visitor", id, []byte("v"), sum[:16]) {
		t.Fatal("a rotated ring refused the old key's signature")
	}
	if both.Verify("visitor", id, []byte("w"), sum[:]) || both.Verify("other", id, []byte("v"), sum[:]) {
		t.Fatal("verified other data or another purpose")
	}
	if both.Verify("visitor", id, []byte("v"), sum[:8]) {
		t.Fatal("a signature cut to 8 bytes was accepted")
	}
	if newID, _ := both.Sum("visitor", []byte("v")); newID != 2 {
		t.Fatalf("signed with key %d, want the first of the ring", newID)
	}
}

func TestNew_refuses(t *testing.T) {
	for name, secrets := range map[string][]keyring.Secret{
		"no secret":    nil,
		"id zero":      {secret(0)},
		"the same id":  {secret(1), secret(1)},
		"short secret": {{ID: 1, Bytes: []byte("short")}},
	} {
		if _, err := keyring.New(rand.Reader, secrets...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkRing_Verify(b *testing.B) {
	r, _ := keyring.New(rand.Reader, secret(1))
	data := bytes.Repeat([]byte{7}, 64)
	id, sum := r.Sum("visitor", data)
	b.ReportAllocs()
	for b.Loop() {
		if !r.Verify("visitor", id, data, sum[:16]) {
			b.Fatal("not verified")
		}
	}
}

func TestRing_SealFor(t *testing.T) {
	r, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.SealFor("p", []byte("anna"), []byte("x"))
	if got, err := r.OpenFor("p", []byte("anna"), sealed); err != nil || string(got) != "x" {
		t.Fatal(string(got), err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another owner":   func() ([]byte, error) { return r.OpenFor("p", []byte("bert"), sealed) },
		"another purpose": func() ([]byte, error) { return r.OpenFor("q", []byte("anna"), sealed) },
		"nobody":          func() ([]byte, error) { return r.Open("p", sealed) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("it opens for %s", name)
		}
	}
}

func TestRing_Alias(t *testing.T) {
	one, two := keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)}, keyring.Secret{ID: 2, Bytes: bytes.Repeat([]byte{2}, 32)}
	r, err := keyring.New(rand.Reader, one, two)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Alias("p", []byte("anna"))
	if !bytes.Equal(a, r.Alias("p", []byte("anna"))) || bytes.Equal(a, r.Alias("p", []byte("bert"))) || bytes.Equal(a, r.Alias("q", []byte("anna"))) {
		t.Error("equal texts, and only those, have equal aliases for one purpose")
	}
	all := r.Aliases("p", []byte("anna"))
	if len(all) != 2 || !bytes.Equal(all[0], a) || !r.Current(all[0]) || r.Current(all[1]) {
		t.Error("there is one under each key, that of the sealing key first")
	}
	for _, a := range all {
		if got, err := r.OpenAlias("p", a); err != nil || string(got) != "anna" {
			t.Error(string(got), err)
		}
	}
	if _, err := r.OpenAlias("q", a); err == nil {
		t.Error("it opens for another purpose")
	}
}
