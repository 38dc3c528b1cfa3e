package django_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"crossfade.dev/crossfade/legacy/django"
)

// The vectors were written by Django 3.2 with SECRET_KEY "crossfade-test-secret" at Unix time 1700000000.
const (
	secret     = "crossfade-test-secret"
	plain      = "eyJhIjoxfQ:1r31eq:SsFMVuWlrPKzttgEZE045Mjygx62KRW7h_eT-ZH7Q2c"
	cookie     = "eyJhIjoxfQ:1r31eq:LfaEBfb2_YWjewRYayj6wWBhKWVBPoUpzkRonfAsPYI"
	compressed = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyMVLSQRZMSkzOTs0DyaRkJeal5-sl5-eVFGUm6YGU6EFli_V881NSc5ygalEMyEgszgDqTkxKBornJeamAjlR-TGlBgapSUq1AKC-LPg:1r31eq:-nnePoAG2hIY8sokuHLi2AEVTajGLktGNtXCFm0NwCs"
	old        = "OTBhMzJlNjllOGUzMmY0ODVkZDViYzEzN2VhNjZlNDk2MDdiYTZhNDp7ImEiOjF9"
)

func TestKeys_Open(t *testing.T) {
	for name, c := range map[string]struct {
		text, salt, want string
		at               int64
	}{
		"plain": {plain, "", `{"a":1}`, 1700000000}, "signed cookies": {cookie, "django.contrib.sessions.backends.signed_cookies", `{"a":1}`, 1700000000},
		"compressed": {compressed, "", `"name":`, 1700000000}, "before 3.1": {old, "", `{"a":1}`, 0},
	} {
		for number, secrets := range map[int][]string{0: nil, 1: {secret}, 2: {"newer", secret}, 3: {"a", "b", secret}} {
			got, err := django.NewKeys(secrets, c.salt).Open(c.text)
			if err != nil || !strings.Contains(string(got.Payload), c.want) || got.Key != number || c.at != 0 && got.At.Unix() != c.at {
				t.Errorf("%s by key %d: %+v, %v", name, number, got, err)
			}
		}
		if _, err := django.NewKeys([]string{"another"}, c.salt).Open(c.text); !errors.Is(err, django.ErrSignature) {
			t.Errorf("%s by another key: %v", name, err)
		}
	}
	if _, err := django.NewKeys([]string{secret}, "").Open(cookie); !errors.Is(err, django.ErrSignature) {
		t.Errorf("a signature of another salt: %v", err)
	}
}

func TestKeys_Open_RefusesWhatIsDamaged(t *testing.T) {
	for _, text := range []string{"", ":", "a:b", "::", "x", "%%:1r31eq:sig", ".eJx:1r31eq:sig", "eyJhIjoxfQ:1r3!eq:sig", "e30:123456789:sig"} {
		if got, err := django.NewKeys(nil, "").Open(text); !errors.Is(err, django.ErrDamaged) {
			t.Errorf("%q: %q, %v", text, got.Payload, err)
		}
	}
}

// TestKeys_Open_UnpacksUpToALimit: a gigabyte of zeros in a megabyte is not unpacked.
func TestKeys_Open_UnpacksUpToALimit(t *testing.T) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	for range 64 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = w.Close()
	bomb := "." + base64.RawURLEncoding.EncodeToString(b.Bytes()) + ":1r31eq:sig"
	if _, err := django.NewKeys(nil, "").Open(bomb); !errors.Is(err, django.ErrTooLarge) {
		t.Errorf("%d bytes: %v", len(bomb), err)
	}
	if _, err := django.NewKeys(nil, "").Open(strings.Repeat("x", 3<<20)); !errors.Is(err, django.ErrTooLarge) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, seed := range []string{plain, cookie, compressed, old, ".:1:"} {
		f.Add(seed)
	}
	open, checked := django.NewKeys(nil, ""), django.NewKeys([]string{secret}, "")
	f.Fuzz(func(t *testing.T, text string) {
		free, err := open.Open(text)
		if len(free.Payload) > django.MaxPayload {
			t.Errorf("%d bytes", len(free.Payload))
		}
		got, checkedErr := checked.Open(text)
		if checkedErr == nil && (err != nil || !bytes.Equal(got.Payload, free.Payload) || got.Key != 1) {
			t.Errorf("%q opens with a key alone", text)
		}
		if checkedErr == nil && text != plain && text != compressed && text != old {
			t.Logf("verified: %q", text) // another spelling of one of the vectors
		}
	})
}
