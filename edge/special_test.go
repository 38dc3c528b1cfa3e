package edge_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

func rolloutSettings() rollout.Settings { return rollout.Settings{} }

func TestEdge_Handshake(t *testing.T) {
	type greeting struct {
		System, Kind, Epoch, Reason string
		Expires                     int64
		Reload                      bool
	}
	shake := func(t *testing.T, b *browser, query string, headers ...string) (g greeting, a answer) {
		t.Helper()
		a = b.do("GET", "/_crossfade/handshake"+query, append([]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, headers...)...)
		if err := json.Unmarshal([]byte(a.text), &g); err != nil && a.StatusCode == http.StatusOK {
			t.Errorf("%v: %s", err, a.text)
		}
		return g, a
	}
	s := open(t)
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	if g, _ := shake(t, b, ""); g.System != "legacy" || g.Kind != "authenticated" || g.Epoch != "0.l" {
		t.Errorf("on legacy: %+v", g)
	}
	s.start()
	g, a := shake(t, b, "?epoch=0.l")
	if g.System != "new" || g.Kind != "authenticated" || g.Epoch != "1.n" || !g.Reload || g.Expires == 0 || g.Reason != "exchanged" {
		t.Errorf("moved: %+v", g)
	}
	b.holds(t, "token", "ticket")
	if a.Response.Header.Get("Cache-Control") != "private, no-store" || a.Response.Header.Get("Crossfade-Epoch") != "1.n" {
		t.Errorf("headers %v", a.Response.Header)
	}
	for _, secret := range []string{b.cookies[cookieSession], b.cookies[cookieTicket], "legacykey"} {
		if strings.Contains(a.text, secret) {
			t.Error("the answer holds a secret")
		}
	}
	if g, a := shake(t, b, "?epoch=1.n"); g.Reload || a.Response.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("nothing new: %+v", g)
	}
	if g, _ := shake(t, s.browser(), ""); g.System != "new" || g.Kind != "guest" {
		t.Errorf("a new visitor: %+v", g)
	}
	t.Run("other origins are refused, and change nothing", func(t *testing.T) {
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Referer", "https://evil.example/"},
		} {
			fresh := s.browser()
			fresh.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
			a := fresh.do("GET", "/_crossfade/handshake", headers...)
			if a.StatusCode != http.StatusForbidden || len(a.Response.Header["Set-Cookie"]) != 0 {
				t.Errorf("%v: %d %q", headers, a.StatusCode, a.Response.Header["Set-Cookie"])
			}
		}
	})
	t.Run("only GET", func(t *testing.T) {
		if a := b.post("/_crossfade/handshake"); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

func TestEdge_Magic(t *testing.T) {
	id := rollout.MagicID{1, 2, 3}
	setUp := func(t *testing.T) (*site, *browser, string) {
		s := open(t)
		s.start()
		s.kill()
		return s, s.browser(), rollout.MintMagic(s.ring, id, s.clock.Now().Add(2*time.Hour))
	}
	t.Run("past experiment and kill switch, bound at first use, audited, in no arm", func(t *testing.T) {
		s, b, cookie := setUp(t)
		b.cookies[cookieMagic] = cookie
		a := b.nav("/")
		a.served(t, "shop", "")
		if a.Claims.Arm != "none" || b.cookies[cookieMagic] == cookie {
			t.Errorf("arm %s, cookie unchanged: %v", a.Claims.Arm, b.cookies[cookieMagic] == cookie)
		}
		if m := s.observer.magic; len(m) != 1 || !m[0].Bound || m[0].ID != id {
			t.Errorf("audited: %+v", m)
		}
		b.nav("/").served(t, "shop", "")
		if len(s.observer.exposed) != 0 {
			t.Errorf("exposed: %v", s.observer.exposed)
		}
	})
	t.Run("a copy in another browser is refused", func(t *testing.T) {
		s, b, cookie := setUp(t)
		b.cookies[cookieMagic] = cookie
		b.nav("/")
		thief := s.browser()
		thief.nav("/")
		thief.cookies[cookieMagic] = b.cookies[cookieMagic]
		thief.nav("/").served(t, "django", "")
	})
	t.Run("revoked, expired and forged ones count for nothing", func(t *testing.T) {
		s, b, cookie := setUp(t)
		b.cookies[cookieMagic] = cookie
		b.nav("/").served(t, "shop", "")
		s.revoked = append(s.revoked, id)
		s.publish()
		b.nav("/").served(t, "django", "")
		s.revoked = nil
		s.publish()
		b.nav("/").served(t, "shop", "")
		s.pass(3 * time.Hour)
		b.nav("/").served(t, "django", "")
		if b.has(cookieMagic) {
			t.Error("an expired one is kept")
		}
		b.cookies[cookieMagic] = "cfm1_forged"
		b.nav("/").served(t, "django", "")
	})
	t.Run("a URL alone sets none", func(t *testing.T) {
		_, b, cookie := setUp(t)
		b.nav("/?cf_magic="+cookie).served(t, "django", "")
		b.holds(t)
	})
}

func TestEdge_Tools(t *testing.T) {
	t.Run("whoever is logged in on new gets a tools session", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		a := b.nav("/admin/")
		a.served(t, "django", "ann")
		if !a.Claims.Tools || a.Claims.System != "legacy" || !b.has(cookieTools) || b.has(cookieLegacy) {
			t.Errorf("claims %+v, cookies %v", a.Claims, b.cookies)
		}
		calls := len(s.legacy.calls)
		b.nav("/admin/").served(t, "django", "ann")
		if len(s.legacy.calls) != calls {
			t.Error("a second one was made")
		}
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("store, bridge and control down, and killed: staff work on", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		b.nav("/admin/")
		s.storeDown()
		s.legacy.bridgeDown = true
		s.kill()
		s.clock.Advance(time.Hour)
		b.nav("/admin/").served(t, "django", "ann")
		other := s.browser()
		other.cookies[cookieSession] = b.cookies[cookieSession]
		other.nav("/admin/").served(t, "django", "") // a login form
		other.post("/admin/?login=root&raw").served(t, "django", "root")
		if !other.has(cookieTools) || other.has(cookieLegacy) {
			t.Errorf("cookies %v", other.cookies)
		}
		other.nav("/admin/").served(t, "django", "root")
	})
	t.Run("with a legacy cookie alone nothing is changed", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/admin/").served(t, "django", "ann")
		b.post("/admin/?login=root&raw")
		if b.has(cookieTools) {
			t.Error("renamed")
		}
		b.nav("/").served(t, "django", "root")
	})
	t.Run("a logout of the tool ends the tool's session", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/admin/?login=root&raw")
		b.nav("/admin/").served(t, "django", "root")
		b.post("/admin/?logout")
		if b.has(cookieTools) {
			t.Error("still there")
		}
		b.nav("/admin/").served(t, "django", "")
	})
}

func TestEdge_Counterparts(t *testing.T) {
	s := open(t)
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	s.start()
	first := b.nav("/")
	// A way back must exist at the end of a long session too: give it a life beyond its counterpart's.
	b.post("/mono/?login=ann")
	ticket := b.cookies[cookieTicket]
	s.pass(5 * 24 * time.Hour)
	b.nav("/").served(t, "shop", "ann")
	if s.edge.TouchesDone(); len(s.observer.operations("counterpart")) != 0 {
		t.Fatal("touched before half its life")
	}
	s.pass(4 * 24 * time.Hour)
	b.nav("/").served(t, "shop", "ann")
	s.edge.TouchesDone()
	if got := s.observer.operations("counterpart"); len(got) != 1 || got[0] != "done" {
		t.Fatalf("touched: %v", got)
	}
	b.nav("/")
	if b.cookies[cookieTicket] == ticket {
		t.Error("the ticket was not renewed")
	}
	s.pass(10 * 24 * time.Hour) // the counterpart would have expired by now
	s.storeDown()
	s.kill()
	b.nav("/").served(t, "django", "ann")
	_ = first
}

func TestEdge_PlainRoutes(t *testing.T) {
	s := open(t, func(c *edge.Config) {
		c.Routes = append([]edge.Route{{Path: "/static/", Legacy: "django", New: "django", Plain: true}}, c.Routes...)
	})
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	b.cookies["theme"] = "dark"
	s.start()
	b.nav("/")
	before := b.clone().cookies
	calls := s.store.calls.Load()
	a := b.nav("/static/app.css?login=mallory&raw")
	if a.StatusCode != http.StatusOK || a.who.Cookies != "theme=dark" || a.who.Header.Get("Crossfade-Context") != "" {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if len(a.Response.Header["Set-Cookie"]) != 0 || s.store.calls.Load() != calls || len(before) != len(b.cookies) {
		t.Errorf("set %q", a.Response.Header["Set-Cookie"])
	}
}

func TestNew_refuses(t *testing.T) {
	s := open(t)
	for name, spoil := range map[string]func(*edge.Config){
		"no public address":              func(c *edge.Config) { c.Public = nil },
		"no legacy cookie":               func(c *edge.Config) { c.Legacy.Cookie.Name = "" },
		"a legacy cookie with our name":  func(c *edge.Config) { c.Legacy.Cookie.Name = "__Host-cf_session" },
		"an unknown upstream":            func(c *edge.Config) { c.Routes[0].New = "nobody" },
		"an open relay":                  func(c *edge.Config) { c.Upstreams[0].URL = must(c.Upstreams[0].URL.Parse("http:///x")) },
		"a tool away from legacy":        func(c *edge.Config) { c.Routes[0].New = "shop" },
		"SameSite=None without Secure":   func(c *edge.Config) { c.Cookies.SameSite = http.SameSiteNoneMode; c.Public.Scheme = "http" },
		"a step beyond the bitmap":       func(c *edge.Config) { c.Routes[0].Step = 65 },
		"a route that is no path":        func(c *edge.Config) { c.Routes[0].Path = "x" },
		"an unknown legacy upstream":     func(c *edge.Config) { c.Legacy.Upstream = "x" },
		"an upstream without an address": func(c *edge.Config) { c.Upstreams[1].URL = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.defaultConfig()
			spoil(&c)
			if _, err := edge.New(c, s.deps); err == nil {
				t.Error("accepted")
			}
		})
	}
}
