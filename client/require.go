package client

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RequireAuthenticated lets requests of logged-in visitors pass. Others are sent to the login if they are
// for a page and [Config.LoginURL] is set, and answered with 401 and JSON otherwise.
func (c *Client) RequireAuthenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !SessionFromContext(r.Context()).Authenticated() {
			c.askLogin(w, r, "login_required")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// RequireFresh lets requests pass whose visitor has logged in, or proved who it is again, within maxAge:
// for what should not be done with a browser that somebody left open. Others are asked as by
// [Client.RequireAuthenticated].
func (c *Client) RequireFresh(maxAge time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := SessionFromContext(r.Context())
			switch {
			case !s.Authenticated():
				c.askLogin(w, r, "login_required")
			case !s.Fresh(maxAge):
				c.askLogin(w, r, "fresh_login_required")
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

func (c *Client) askLogin(w http.ResponseWriter, r *http.Request, why string) {
	w.Header().Set("Cache-Control", "private, no-store")
	if c.cfg.LoginURL != "" && isPage(r) {
		http.Redirect(w, r, loginURL(c.cfg.LoginURL, r), http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
}

// isPage holds for a top-level navigation: only there a redirect leads anywhere.
func isPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("X-Requested-With") == ""
}

func loginURL(login string, r *http.Request) string {
	next := r.URL.RequestURI()
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.HasPrefix(next, `/\`) {
		next = "/" // a browser would read such an address as another site's
	}
	separator := "?"
	if strings.Contains(login, "?") {
		separator = "&"
	}
	return login + separator + "next=" + url.QueryEscape(next)
}
