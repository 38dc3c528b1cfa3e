package edge_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

func TestEdge_ForgedHeaders(t *testing.T) {
	s := open(t)
	s.start()
	b := s.browser()
	spellings := []string{
		"Crossfade-Context", "crossfade-context", "CROSSFADE-CONTEXT", "Crossfade_Context", "crossfade_context", "CrossFade-Context",
		"Crossfade-Visitor", "Crossfade_Visitor", "Crossfade-Anything", "Crossfade-Session", "Crossfade-Bridge-Signature",
	}
	var forged []string
	for _, name := range spellings {
		forged = append(forged, name, "forged")
	}
	a := b.nav("/", forged...)
	a.served(t, "shop", "")
	for name, values := range a.who.Header {
		if strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("%s reached the application", name)
		}
	}
	if a.Claims.System != "new" {
		t.Errorf("the context is not ours: %+v", a.Claims)
	}
	if s.observer.count(edge.CountForged) == 0 {
		t.Error("not counted")
	}

	t.Run("names listed in Connection cannot take ours away", func(t *testing.T) {
		a := b.nav("/", "Connection", "close, Crossfade-Context, crossfade-visitor, Cookie, X-Forwarded-For")
		if a.Claims.System == "" || a.who.Header.Get("Crossfade-Visitor") == "" || a.who.Header.Get("X-Forwarded-For") == "" {
			t.Errorf("headers are %v", a.who.Header)
		}
	})
	t.Run("trailers", func(t *testing.T) {
		h, trailer := http.Header{"X": {"y"}}, http.Header{"Crossfade-Context": nil, "Crossfade_session": nil, "Checksum": nil}
		edge.StripRequest(h, trailer)
		if len(trailer) != 1 || len(h) != 1 {
			t.Errorf("left: %v %v", h, trailer)
		}
	})
	t.Run("baggage that marks test traffic", func(t *testing.T) {
		a := b.nav("/", "Baggage", "user=1, crossfade-tenancy=test;x=1,Crossfade_Tenancy=t,%63rossfade-tenancy=t, other=2")
		if got := a.who.Header.Get("Baggage"); got != "user=1, other=2" {
			t.Errorf("baggage is %q", got)
		}
	})
}

func TestEdge_ForwardedHeaders(t *testing.T) {
	lies := []string{
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "Forwarded", "for=6.6.6.6",
		"X-Real-Ip", "6.6.6.6", "X_forwarded_for", "6.6.6.6", "X-Forwarded-Prefix", "/x", "X-Original-Url", "/_crossfade/bridge", "X-Rewrite-Url", "/x",
	}
	t.Run("a client's claims are replaced", func(t *testing.T) {
		s := open(t)
		h := s.browser().nav("/", lies...).who.Header
		if h.Get("X-Forwarded-For") != "192.0.2.1" || h.Get("X-Forwarded-Host") != "shop.example" {
			t.Errorf("forwarded as %v", h)
		}
		for _, name := range []string{"Forwarded", "X-Real-Ip", "X_forwarded_for", "X-Forwarded-Prefix", "X-Original-Url", "X-Rewrite-Url"} {
			if h[name] != nil {
				t.Errorf("%s reached the application", name)
			}
		}
	})
	t.Run("a proxy of ours is believed", func(t *testing.T) {
		s := open(t, func(c *edge.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		h := s.browser().nav("/", lies...).who.Header
		if got := h.Get("X-Forwarded-For"); got != "6.6.6.6, 192.0.2.1" {
			t.Errorf("forwarded for %q", got)
		}
		if h.Get("X-Forwarded-Host") != "shop.example" {
			t.Error("the host is the one that was asked for")
		}
	})
}

func TestEdge_ResponseHeaders(t *testing.T) {
	ask := func(headers ...string) string {
		q := url.Values{}
		for _, h := range headers {
			q.Add("header", h)
		}
		return "?" + q.Encode()
	}
	t.Run("an upstream that is not trusted says nothing about sessions", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		before := b.cookies[cookieSession]
		a := b.nav("/stranger/" + ask("Crossfade-Session-End", "bye", "Crossfade-Epoch", "9.n", "crossfade_x", "y"))
		if b.cookies[cookieSession] != before || a.Response.Header.Get("Crossfade-Epoch") != "1.n" {
			t.Errorf("it was believed: %v", a.Response.Header)
		}
		if s.observer.count(edge.CountUntrusted) == 0 {
			t.Error("not counted")
		}
	})
	t.Run("no upstream sets our cookies", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		s.start()
		b.nav("/")
		before := b.clone().cookies
		b.fetch("/" + ask("Set-Cookie", "__Host-cf_session=evil; Path=/; Secure", "Set-Cookie", "cf_visitor=evil", "Set-Cookie", "mine=1"))
		if b.cookies[cookieSession] != before[cookieSession] || b.has("cf_visitor") || b.cookies["mine"] != "1" {
			t.Errorf("cookies are %v", b.cookies)
		}
	})
	t.Run("every response names epoch and request", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		for _, path := range []string{"/", "/mono/", "/admin/", "/nowhere%00", "/account/", "/_crossfade/handshake", "/_crossfade/x", "/?fail"} {
			a := b.nav(path)
			if a.Response.Header.Get("Crossfade-Epoch") == "" || a.Response.Header.Get("Crossfade-Request") == "" {
				t.Errorf("%s: %v", path, a.Response.Header)
			}
		}
	})
	t.Run("what shared caches are told does not overrule no-store", func(t *testing.T) {
		s := open(t)
		a := s.browser().nav("/" + ask("Cache-Control", "public, max-age=60", "Cdn-Cache-Control", "max-age=60", "Expires", "Thu, 01 Jan 2099 00:00:00 GMT"))
		if a.Response.Header.Get("Cache-Control") != "private, no-store" || a.Response.Header.Get("Cdn-Cache-Control")+a.Response.Header.Get("Expires") != "" {
			t.Errorf("headers: %v", a.Response.Header)
		}
	})
	t.Run("a response without a cookie of ours keeps its caching", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.nav("/")
		a := b.fetch("/" + ask("Cache-Control", "public, max-age=60"))
		if a.Response.Header.Get("Cache-Control") != "public, max-age=60" {
			t.Errorf("headers: %v", a.Response.Header)
		}
	})
}
