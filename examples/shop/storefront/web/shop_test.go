package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/examples/shop/storefront/alone"
	"crossfade.dev/crossfade/examples/shop/storefront/web"
)

// browser is one visitor of a storefront: cookies, and a session that the test may reach into.
type browser struct {
	t       *testing.T
	handler http.Handler
	session *alone.Session
	cookies map[string]*http.Cookie
}

func open(t *testing.T) *browser {
	t.Helper()
	return openAs(t, web.Config{})
}

// openAs opens a shop with what is set in c; the rest is the test's.
func openAs(t *testing.T, c web.Config) *browser {
	t.Helper()
	catalogue, err := shop.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	sessions, session := alone.New(random), &alone.Session{}
	sessions.Put("mine", session)
	c.Catalogue, c.Sessions, c.PublicURL, c.Random = catalogue, sessions.Of, "http://localhost:8000", random
	c.Log, c.BrowserClient = slog.New(slog.NewTextHandler(io.Discard, nil)), true
	server, err := web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, web.Public(server), session, map[string]*http.Cookie{alone.Cookie: {Name: alone.Cookie, Value: "mine"}}}
}

// fill puts values into the session as the monolith would have left them.
func (b *browser) fill(values map[string]any) {
	b.t.Helper()
	if err := b.session.Fill(values); err != nil {
		b.t.Fatal(err)
	}
}

// kept is the JSON text of a session value; empty if there is none.
func (b *browser) kept(key string) string { return b.session.Kept(key) }

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.send(httptest.NewRequest(http.MethodGet, path, nil))
}

func (b *browser) post(path string, fields ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

func (b *browser) api(path string, into any) {
	b.t.Helper()
	w := b.get(path)
	if w.Code != http.StatusOK {
		b.t.Fatalf("%s answered %d: %s", path, w.Code, w.Body)
	}
	if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(into); err != nil {
		b.t.Fatal(err)
	}
}

func contains(t *testing.T, w *httptest.ResponseRecorder, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}
