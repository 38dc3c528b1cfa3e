package edge_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// BenchmarkEdge measures one request through the edge with the session check, through the same edge as a
// plain proxy (a route that asks for no session), and through a bare ReverseProxy,
// all in front of the same real server, over real connections. In process it leaves the network out.
func BenchmarkEdge(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello\n")
	}))
	b.Cleanup(upstream.Close)
	target := must(url.Parse(upstream.URL))
	s := open(b, func(c *edge.Config) {
		c.Upstreams[0].URL, c.Upstreams[1].URL = target, target
		c.Routes = []edge.Route{{Path: "/plain", Legacy: "django", New: "django", Plain: true}, {Path: "/", Legacy: "django", New: "shop"}}
	})
	m := s.browser()
	m.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	s.start()
	m.do("GET", "/_crossfade/handshake")
	guest := s.browser()
	guest.do("GET", "/_crossfade/handshake")
	bare := &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target); pr.Out.Host = pr.In.Host },
		Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
	}
	for _, c := range []struct {
		name    string
		handler http.Handler
		browser *browser
		path    string
	}{
		{"checked", s.edge, m, "/"},
		{"guest", s.edge, guest, "/"},
		{"plain", s.edge, m, "/plain"},
		{"bare", bare, m, "/"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "https://shop.example"+c.path, nil)
			for name, value := range c.browser.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36")
			r.Header.Set("Accept", "*/*")
			r.Header.Set("Accept-Language", "en")
			r.Header.Set("Accept-Encoding", "gzip, br")
			b.ReportAllocs()
			for b.Loop() {
				w := &sink{header: http.Header{}}
				c.handler.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

// BenchmarkEdge_Steps is the edge's own work alone: the upstream answers in process.
func BenchmarkEdge_Steps(b *testing.B) {
	s := open(b)
	m := s.browser()
	m.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	s.start()
	m.do("GET", "/_crossfade/handshake")
	m.fetch("/") // reaches its funnel step, so that the cookie is not written again
	instant := func(edge.Upstream) http.RoundTripper { return instantly{} }
	s.deps.Transport = instant
	s.config.Routes = append([]edge.Route{{Path: "/plain", Legacy: "django", New: "django", Plain: true}}, s.config.Routes...)
	e := must(edge.New(s.config, s.deps))
	bare := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {}, Transport: instantly{}}
	for _, c := range []struct {
		name, path string
		handler    http.Handler
	}{{"checked", "/", e}, {"plain", "/plain", e}, {"bare", "/", bare}} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "https://shop.example"+c.path, nil)
			for name, value := range m.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			b.ReportAllocs()
			for b.Loop() {
				c.handler.ServeHTTP(&sink{header: http.Header{}}, r)
			}
		})
	}
}

// sink is a response writer that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return len(b), nil
}
func (s *sink) WriteHeader(status int) { s.status = status }

type instantly struct{}

func (instantly) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}
