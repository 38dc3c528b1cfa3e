package config

import (
	"net/url"
	"strings"
)

// Legacy is the system that is being left.
type Legacy struct {
	// Name of its upstream.
	Upstream string `yaml:"upstream"`
	// The cookie that holds its session.
	Cookie LegacyCookie `yaml:"cookie"`
	// Other cookies that belong to a legacy session and must go with it when a visitor moves to the new
	// system. Never the CSRF cookie: forms that are open would fail. Default: none.
	RelatedCookies []string `yaml:"related_cookies"`
	// How Crossfade reads and writes legacy sessions.
	Bridge Bridge `yaml:"bridge"`
	// Which session keys cross.
	Mapping Mapping `yaml:"mapping"`
}

// LegacyCookie describes the session cookie as legacy sets it, and as it ever did: a deletion only works
// when it repeats name, domain and path.
type LegacyCookie struct {
	// Its name. Default sessionid, as Django's.
	Name string `yaml:"name"`
	// Domains that it is set with (Domain=…), today's first, then every former one; "" is a cookie without
	// a domain. Default [""].
	Domains []string `yaml:"domains"`
	// Paths that it is set with, today's first, then every former one. Default ["/"].
	Paths []string `yaml:"paths"`
	// Its SameSite: lax, strict or none. Default lax, as Django's.
	SameSite string `yaml:"same_site"`
	// Whether it has Secure. Default: yes when public.url is https.
	Secure *bool `yaml:"secure"`
	// How long a legacy session lives after it was last used, Django's SESSION_COOKIE_AGE. Counterparts are
	// touched before half of it has passed. Default 14d.
	Life Duration `yaml:"life"`
}

// Bridge is how Crossfade calls the legacy system's client package.
type Bridge struct {
	// The upstream's address and path of the endpoints. Default: the legacy upstream's url with
	// /_crossfade/bridge/v1. The edge answers 404 to the outside for this path.
	URL string `yaml:"url"`
	// The secrets that sign calls, each with an id. The first signs; legacy accepts all that it knows.
	Secrets []Key `yaml:"secrets"`
	// How long one call may take before the visitor stays where she is. Default 2s.
	Timeout Duration `yaml:"timeout"`
	// How many sessions per second may be restored to legacy, so that a kill does not fell it. Above it
	// visitors return with the counterpart that their ticket names. Default 200; 0: no limit.
	RestoreBudget int `yaml:"restore_budget"`
	// How many requests per second of one client may make Crossfade ask the legacy system whose a legacy cookie is, or for
	// a session of an internal tool; ten seconds' worth may come at once. A client is an IPv4 address or the first 56 bits of an IPv6
	// address; behind a proxy, only public.trusted_proxies tells clients apart. A cookie that proves to be a login is not
	// counted, so that people behind one gateway may move together. Above it nobody changes system: visitors
	// stay where they are, with the cookies that they have, until their next page, and a tool asks to log in.
	// Counted as client_over_budget. Default 50; 0: no limit.
	ClientBudget int `yaml:"client_budget"`
}

// Mapping says which session keys move, stay or are dropped.
type Mapping struct {
	// File of the mapping, for keys that session.attributes does not have; one that both have is refused, so that
	// a key's rule is in one place. Default: none, so that every key that crosses without loss moves.
	File string `yaml:"file"`
}

func (c *LegacyCookie) defaults() {
	c.Name, c.SameSite, c.Life = "sessionid", "lax", 14*Day
	c.Domains, c.Paths = []string{""}, []string{"/"}
}

func (b *Bridge) defaults() { b.Timeout, b.RestoreBudget, b.ClientBudget = seconds(2), 200, 50 }

func (l *Legacy) validate(k *check) {
	if k.needs("legacy.upstream", l.Upstream, "name one of the upstreams") && k.upstream("legacy.upstream", l.Upstream) {
		l.Bridge.fillURL(k.config.Upstreams[l.Upstream])
	}
	l.Cookie.validate(k)
	for i, name := range l.RelatedCookies {
		path := item("legacy.related_cookies", i)
		switch {
		case !cookieName(name):
			k.fail(path, "", "%q is not the name of a cookie", name)
		case name == l.Cookie.Name:
			k.fail(path, "leave it out", "is the session cookie itself")
		case strings.Contains(strings.ToLower(name), "csrf"):
			k.fail(path, "leave it out: forms that are open would fail", "is a CSRF cookie")
		}
	}
	l.Bridge.validate(k)
}

func (c *LegacyCookie) validate(k *check) {
	switch {
	case !cookieName(c.Name):
		k.fail("legacy.cookie.name", "look at SESSION_COOKIE_NAME in the Django settings", "%q is not the name of a cookie", c.Name)
	case strings.HasPrefix(strings.TrimPrefix(c.Name, "__Host-"), "cf_"):
		k.fail("legacy.cookie.name", "rename it in the legacy application", "is one of Crossfade's own names")
	}
	for i, d := range c.Domains {
		if strings.ContainsAny(d, "/;, *:") {
			k.fail(item("legacy.cookie.domains", i), "write it like shop.example.com", "%q is not a domain", d)
		}
	}
	if len(c.Domains) == 0 {
		k.fail("legacy.cookie.domains", `write [""] for a cookie without a domain`, "needs at least one entry")
	}
	if len(c.Paths) == 0 {
		k.fail("legacy.cookie.paths", `write ["/"]`, "needs at least one path")
	}
	for i, p := range c.Paths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "; ") {
			k.fail(item("legacy.cookie.paths", i), `write it like "/"`, "%q is not a path", p)
		}
	}
	k.within("legacy.cookie.life", c.Life, seconds(60), 400*Day)
	k.oneOf("legacy.cookie.same_site", c.SameSite, "lax", "strict", "none")
	if c.SameSite == "" {
		c.SameSite = "lax"
	}
	if c.Secure == nil {
		secure := k.config.Public.Secure()
		c.Secure = &secure
	}
}

func (b *Bridge) fillURL(u Upstream) {
	if b.URL == "" && u.URL != "" {
		b.URL = strings.TrimSuffix(u.URL, "/") + BridgePath
	}
}

// BridgePath is where the client packages mount their endpoints.
const BridgePath = "/_crossfade/bridge/v1"

func (b *Bridge) validate(k *check) {
	if b.URL != "" {
		u, err := url.Parse(b.URL)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || strings.ContainsAny(b.URL, "*${}") {
			k.fail("legacy.bridge.url", "write it like http://127.0.0.1:8000"+BridgePath, "%q is not an address", b.URL)
		}
	}
	validateKeys(k, "legacy.bridge.secrets", b.Secrets)
	k.within("legacy.bridge.timeout", b.Timeout, seconds(1)/100, seconds(30))
	k.between("legacy.bridge.restore_budget", b.RestoreBudget, 0, 1_000_000)
	k.between("legacy.bridge.client_budget", b.ClientBudget, 0, 1_000_000)
}

func cookieName(s string) bool {
	return s != "" && len(s) < 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}
