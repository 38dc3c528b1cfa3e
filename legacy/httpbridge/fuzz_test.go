package httpbridge_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/httpbridge"
	"crossfade.dev/crossfade/session"
)

// canned answers every request with one body.
type canned []byte

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(c))}, nil
}

// FuzzAnswer: whatever legacy answers is either refused or a session that the rules can work with.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"found":true,"kind":"authenticated","subject":"42","lineage":"` + hex1 + `","data":{"a":1.0}}`,
		`{"found":false}`, `{}`, `null`, `[]`, `{"found":true,"lineage":null,"auth_time":1e3}`,
	} {
		f.Add([]byte(seed))
	}
	clock := newClock()
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := httpbridge.New(httpbridge.Config{
			URL: "http://legacy", Secret: secret, Clock: clock.Now, Rand: rand.Reader, Transport: canned(body),
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Exchange(t.Context(), legacy.ExchangeCall{Key: "k"})
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Exhausted {
				t.Fatalf("code %s: %v", code, err)
			}
			return
		}
		if got.Found && !got.Ended && (got.Lineage.IsZero() || (got.Kind == session.Authenticated) != (got.Subject != "")) {
			t.Fatalf("%s passed as %+v", body, got)
		}
		for key, value := range got.Data {
			if !json.Valid(value) {
				t.Fatalf("key %q passed with %q", key, value)
			}
		}
	})
}
