package edge_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
)

func TestEdge_ForbiddenPaths(t *testing.T) {
	s := open(t)
	s.start()
	for _, path := range []string{
		"/_crossfade", "/_crossfade/", "/_crossfade/bridge/v1/exchange", "/_crossfade/bridge/v1/restore",
		"/_CROSSFADE/bridge/v1/exchange", "/_Crossfade/bridge", "//_crossfade/bridge", "/./_crossfade/bridge",
		"/shop/../_crossfade/bridge", "/shop/..//_crossfade/bridge", "/%5fcrossfade/bridge", "/%5Fcrossfade/bridge",
		"/%255fcrossfade/bridge", "/%25255fcrossfade/bridge", "/_crossfade%2fbridge", "/_crossfade%2Fbridge",
		"/%2f_crossfade/bridge", "/%2e/_crossfade/bridge", "/x/%2e%2e/_crossfade/bridge", "/x/..%2f_crossfade/bridge",
		"/%5c_crossfade/bridge", "/_crossfade%5cbridge", "/_crossfade;a=b/bridge", "/;a/_crossfade/bridge",
		"/x/..;/_crossfade/bridge", "/_crossfade%00/bridge", "/_cross%00fade/bridge", "/_crossfade%20/bridge",
		"/_crossfade%09/bridge", "/_crossfade./bridge", "/%u005fcrossfade/bridge", "/%c1%9fcrossfade/bridge",
		"/_crossfade%c0%afbridge", "/%63%72%6f%73%73/../_crossfade/bridge", "/%5f%63%72%6f%73%73%66%61%64%65/bridge",
		"/_crossfade/handshake/", "/_crossfade//handshake", "/_crossfade/client.js/x", "/_crossfade/Handshake", "/%5fcrossfade/handshake",
		"/%25%32%35%35%66crossfade/bridge",
	} {
		u, err := url.Parse("https://shop.example" + path)
		if err != nil {
			continue // no server gets to see it
		}
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "https://shop.example/", nil)
		r.URL = u
		s.edge.ServeHTTP(rec, r)
		if rec.Code != http.StatusNotFound || strings.Contains(rec.Body.String(), "Upstream") {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if s.observer.count(edge.CountForbiddenPath) == 0 {
		t.Error("not counted")
	}
	for _, path := range []string{"/", "/blog/_crossfade/x", "/caf%C3%A9/", "/a_crossfade", "/100%25/", "/_crossfader", "/%2525"} {
		if edge.Forbidden(path) {
			t.Errorf("%s is an innocent path", path)
		}
	}
}

func TestEdge_PathsThatReadTwoWays(t *testing.T) {
	s := open(t)
	s.start()
	b := s.browser()
	for _, path := range []string{"/x/..%2faccount/", "/account/%2e%2e/x", "/x/%5c/y", "/x/%00", "/x/..;/account/"} {
		if a := b.nav(path); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"//account/", "/account//", "/%61ccount/"} {
		u := must(url.Parse("https://shop.example" + path))
		r := httptest.NewRequest("GET", "https://shop.example/", nil)
		r.URL = u
		rec := httptest.NewRecorder()
		s.edge.ServeHTTP(rec, r)
		if rec.Code != http.StatusUnauthorized && rec.Code != http.StatusFound {
			t.Errorf("%s passes the access rule of /account/: %d", path, rec.Code)
		}
	}
}

// FuzzForbidden: whatever is done to the spelling of a path under /_crossfade/ that servers undo, it stays
// forbidden; and the guard comes to an end.
func FuzzForbidden(f *testing.F) {
	f.Add("/_crossfade/bridge", uint16(1), uint8(1))
	f.Add("/%5fcrossfade", uint16(77), uint8(3))
	f.Add("/x/..;/%25", uint16(9), uint8(2))
	f.Fuzz(func(t *testing.T, any string, mask uint16, rounds uint8) {
		edge.Forbidden(any)
		edge.Canonical(any)
		path := "/_crossfade/bridge"
		for range rounds % 4 {
			var out strings.Builder
			for i := range len(path) {
				if c := path[i]; i > 0 && (mask>>(i%16)&1 == 1 || c == '%') {
					const hex = "0123456789abcdef"
					out.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
				} else {
					out.WriteByte(c)
				}
			}
			path = out.String()
		}
		if !edge.Forbidden(path) {
			t.Fatalf("%s is let through", path)
		}
	})
}
