package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
)

func TestRequire(t *testing.T) {
	c := clienttest.New(t, func(c *client.Config) { c.LoginURL = "/login/?from=shop" })
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") })
	login := c.Client.Middleware(c.Client.RequireAuthenticated(ok))
	fresh := c.Client.Middleware(c.Client.RequireFresh(time.Minute)(ok))
	ask := func(h http.Handler, v *clienttest.Visitor, method, target, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, v.Sign(r))
		return w
	}
	t.Run("who is logged in passes", func(t *testing.T) {
		for _, h := range []http.Handler{login, fresh} {
			if w := ask(h, c.Customer("42"), http.MethodGet, "/", "*/*"); w.Code != http.StatusOK {
				t.Fatal(w.Code)
			}
		}
	})
	t.Run("pages are sent to the login and back", func(t *testing.T) {
		w := ask(login, c.Guest(), http.MethodGet, "/orders?page=2", "text/html")
		if w.Code != http.StatusFound || w.Header().Get("Location") != "/login/?from=shop&next=%2Forders%3Fpage%3D2" {
			t.Fatal(w.Code, w.Header())
		}
	})
	t.Run("the way back never leads to another site", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = "//evil.example/x"
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		login.ServeHTTP(w, c.Guest().Sign(r))
		if got := w.Header().Get("Location"); !strings.HasSuffix(got, "next=%2F") {
			t.Fatal(got)
		}
	})
	t.Run("calls and forms get 401", func(t *testing.T) {
		for _, w := range []*httptest.ResponseRecorder{
			ask(login, c.Guest(), http.MethodGet, "/api", "application/json"),
			ask(login, c.Guest(), http.MethodPost, "/form", "text/html"),
		} {
			if w.Code != http.StatusUnauthorized || strings.TrimSpace(w.Body.String()) != `{"error":"login_required"}` {
				t.Fatal(w.Code, w.Body)
			}
		}
	})
	t.Run("an old login is not fresh", func(t *testing.T) {
		v := c.Customer("42")
		v.LoggedInAt(time.Now().Add(-2 * time.Minute))
		if w := ask(fresh, v, http.MethodPost, "/", "*/*"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "fresh_login_required") {
			t.Fatal(w.Code, w.Body)
		}
		if w := ask(login, v, http.MethodPost, "/", "*/*"); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	})
}
