package edge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

func TestEdge_EntryRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		entry        bool
	}{
		"a top-level navigation":             {"GET", "/", navigation, true},
		"a navigation from another site":     {"GET", "/", with("Sec-Fetch-Site", "cross-site"), true},
		"an old browser asks for a page":     {"GET", "/", []string{"Accept", "text/html,*/*"}, true},
		"an old browser's script":            {"GET", "/", []string{"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}, false},
		"an app":                             {"GET", "/", []string{"Accept", "application/json"}, false},
		"a fetch":                            {"GET", "/", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, false},
		"a frame":                            {"GET", "/", with("Sec-Fetch-Dest", "iframe"), false},
		"an image":                           {"GET", "/", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
		"a form":                             {"POST", "/", navigation, false},
		"a HEAD":                             {"HEAD", "/", navigation, false},
		"a prefetch":                         {"GET", "/", with("Sec-Purpose", "prefetch"), false},
		"a prerender":                        {"GET", "/", with("Sec-Purpose", "prefetch;prerender"), false},
		"an old prefetch":                    {"GET", "/", with("Purpose", "prefetch"), false},
		"Firefox's prefetch":                 {"GET", "/", with("X-Moz", "prefetch"), false},
		"a callback that is no_handover":     {"GET", "/callback", navigation, false},
		"a tool":                             {"GET", "/admin/", navigation, false},
		"the handshake of a page":            {"GET", "/_crossfade/handshake", []string{"Sec-Fetch-Site", "same-origin"}, true},
		"the handshake of an app":            {"GET", "/_crossfade/handshake", nil, true},
		"the handshake in a prerender":       {"GET", "/_crossfade/handshake", []string{"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch;prerender"}, false},
		"a socket":                           {"GET", "/", with("Upgrade", "websocket"), false},
		"a navigation of unknown fetch mode": {"GET", "/", []string{"Sec-Fetch-Site", "same-origin", "Accept", "text/html"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			b := s.browser()
			b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
			s.start()
			b.do(c.method, c.path, c.headers...)
			if moved := b.has(cookieSession); moved != c.entry {
				t.Errorf("moved: %v", moved)
			}
		})
	}
}

// with is a navigation with one header changed.
func with(name, value string) []string {
	out := slices.Clone(navigation)
	for i := 0; i < len(out); i += 2 {
		if out[i] == name {
			out[i+1] = value
			return out
		}
	}
	return append(out, name, value)
}

func TestEdge_CrossSite(t *testing.T) {
	foreign := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://evil.example"}
	t.Run("an unsafe request of another site writes and deletes no cookie", func(t *testing.T) {
		s := open(t)
		s.start()
		stranger := s.browser() // Lax cookies do not come with it
		for _, path := range []string{"/", "/mono/", "/mono/?login=mallory", "/webhook"} {
			a := stranger.do("POST", path, foreign...)
			for _, line := range a.Response.Header["Set-Cookie"] {
				if strings.Contains(line, "cf_") {
					t.Errorf("%s: set %q", path, line)
				}
			}
		}
	})
	t.Run("and does nothing on a new route", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		for name, headers := range map[string][]string{
			"another site":          {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"},
			"another site's origin": {"Origin", "https://evil.example"},
			"an opaque origin":      {"Origin", "null"},
			"a sibling host":        {"Sec-Fetch-Site", "same-site", "Origin", "https://blog.shop.example"},
			"nobody says":           {},
		} {
			a := b.do("POST", "/?set=6", append(headers, "Accept", "application/json")...)
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, "cross_site_request") {
				t.Errorf("%s: %d %s", name, a.StatusCode, a.text)
			}
		}
		b.do("POST", "/?set=6", "Origin", "https://shop.example").served(t, "shop", "")
		b.do("POST", "/?set=7", "Sec-Fetch-Site", "same-origin").served(t, "shop", "")
		if a := b.do("POST", "/webhook", foreign...); a.StatusCode != http.StatusOK {
			t.Errorf("a webhook: %d", a.StatusCode)
		}
		if a := b.do("GET", "/", "Upgrade", "websocket", "Connection", "Upgrade", "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a socket: %d", a.StatusCode)
		}
		b.do("POST", "/mono/", foreign...).served(t, "django", "") // which has its own CSRF protection
	})
	t.Run("the page for people is a page", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		a := b.do("POST", "/", append(foreign, "Accept", "text/html")...)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, "<!doctype html>") || !strings.Contains(a.text, a.Response.Header.Get("Crossfade-Request")) {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
	})
	t.Run("with SameSite=Strict a visit from another site is not taken for a new visitor", func(t *testing.T) {
		s := open(t, func(c *edge.Config) { c.Cookies.SameSite = http.SameSiteStrictMode })
		s.start()
		a := s.browser().nav("/", "Sec-Fetch-Site", "cross-site")
		a = s.browser().do("GET", "/", with("Sec-Fetch-Site", "cross-site")...)
		if got := a.Response.Header["Set-Cookie"]; len(got) != 0 {
			t.Errorf("set %q", got)
		}
	})
}

func TestEdge_Access(t *testing.T) {
	t.Run("a page that needs a login sends guests to log in, and back", func(t *testing.T) {
		s := open(t)
		s.start()
		a := s.browser().nav("/account/orders?page=2")
		if a.StatusCode != http.StatusFound || a.Response.Header.Get("Location") != "/accounts/login/?next=%2Faccount%2Forders%3Fpage%3D2" {
			t.Errorf("%d to %s", a.StatusCode, a.Response.Header.Get("Location"))
		}
	})
	t.Run("an API answers 401 and JSON", func(t *testing.T) {
		s := open(t)
		s.start()
		a := s.browser().nav("/api/account")
		if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.text, `"login_required"`) {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
	})
	t.Run("who is logged in passes, on either system", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/account/").served(t, "django", "ann")
		if a := b.nav("/api/account"); a.StatusCode != http.StatusOK || a.Key != "" {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
		s.start()
		b.nav("/account/").served(t, "django", "ann")
		b.fetch("/api/account").served(t, "shop", "ann")
	})
	t.Run("native apps need a login from the first request", func(t *testing.T) {
		s := open(t, func(c *edge.Config) {
			c.Access.NativeHeader, c.Access.NativeValues = "User-Agent", []string{"ShopApp/"}
			c.Routes = append([]edge.Route{
				{Path: "/login", Channel: "native", Legacy: "django", New: "django", Require: "guest"},
				{Path: "/", Channel: "native", Legacy: "django", New: "shop"},
			}, c.Routes...)
		})
		s.start()
		app := s.browser()
		if a := app.do("GET", "/", "User-Agent", "ShopApp/3"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d", a.StatusCode)
		}
		app.do("POST", "/login?login=ann", "User-Agent", "ShopApp/3").served(t, "django", "ann")
		app.do("GET", "/_crossfade/handshake", "User-Agent", "ShopApp/3")
		app.do("GET", "/", "User-Agent", "ShopApp/3").served(t, "shop", "ann")
		s.browser().nav("/").served(t, "shop", "")
	})
	t.Run("a strict route takes nothing from memory", func(t *testing.T) {
		s := open(t, func(c *edge.Config) {
			c.Routes = append([]edge.Route{{Path: "/exact/", Legacy: "django", New: "shop", Strict: true, OnStoreDown: []string{"stale", "deny"}}}, c.Routes...)
		})
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/").served(t, "shop", "ann")
		b.nav("/exact/").served(t, "shop", "ann")
		s.store.down.Store(true)
		b.nav("/").served(t, "shop", "ann") // from memory
		if a := b.nav("/exact/"); a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
	})
	t.Run("a route that denies when the store is down", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		before := b.clone().cookies
		s.storeDown()
		a := b.nav("/strict/")
		if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.text, "<!doctype html>") {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
		b.nav("/").served(t, "django", "ann") // the ticket, and no cookie is touched
		for name, v := range before {
			if b.cookies[name] != v && name != cookieVisitor {
				t.Errorf("%s changed", name)
			}
		}
		s.store.down.Store(false)
		b.nav("/").served(t, "shop", "ann")
	})
}
