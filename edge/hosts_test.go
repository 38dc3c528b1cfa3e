package edge_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
)

// under asks the edge for a page under a host of the caller's choosing.
func under(s *site, host, path string, headers ...string) answer {
	r := httptest.NewRequest("GET", "https://shop.example"+path, nil)
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.edge.ServeHTTP(w, r)
	return answer{Response: w.Result(), text: w.Body.String()}
}

func TestHosts(t *testing.T) {
	const ok, misdirected, malformed = http.StatusOK, http.StatusMisdirectedRequest, http.StatusBadRequest
	for _, site := range []struct {
		public string
		hosts  []string
		want   map[string]int
	}{
		{"https://shop.example", nil, map[string]int{
			"shop.example": ok, "SHOP.example": ok, "shop.example:443": ok,
			"shop.example:80": misdirected, "shop.example:8443": misdirected, "shop.example.": misdirected, "www.shop.example": misdirected,
			"shop.example.evil.test": misdirected, "evil.test": misdirected, "127.0.0.1": misdirected, "localhost": misdirected, "[::1]:443": misdirected,
			"": malformed, ":443": malformed, "shop.example:": malformed, "shop.example:443:443": malformed, "shop.example:0443": malformed,
			"shop.example:99999": malformed, "shop.example:x": malformed, "shop.example@evil.test": malformed, "shop.example,evil.test": malformed,
			"shop.example evil.test": malformed, "shop.example/x": malformed, "shop..example": malformed, "[::1": malformed, "[::1]443": malformed,
			"[::1%25eth0]": malformed, "shop.example\x00": malformed, "sh\u00f6p.example": malformed, strings.Repeat("a", 300) + ".example": malformed,
		}},
		{"https://shop.example:8443", nil, map[string]int{"shop.example:8443": ok, "shop.example": misdirected, "shop.example:443": misdirected}},
		{"https://shop.example", []string{"www.shop.example", "m.shop.example:8443", "*.brands.example", "10.0.0.7", "[2001:DB8::1]"}, map[string]int{
			"shop.example": ok, "www.shop.example": ok, "WWW.shop.example:443": ok, "m.shop.example:8443": ok, "m.shop.example": misdirected,
			"a.brands.example": ok, "A.Brands.Example:443": ok, "a.brands.example:8443": misdirected, "brands.example": misdirected,
			"a.b.brands.example": misdirected, ".brands.example": misdirected, "abrands.example": misdirected, "*.brands.example": malformed,
			"10.0.0.7": ok, "10.0.0.7:443": ok, "10.0.0.8": misdirected, "[2001:db8:0::1]": ok,
		}},
		{"http://localhost:8080", nil, map[string]int{
			"localhost:8080": ok, "localhost": ok, "localhost:9": ok, "127.0.0.1:8080": ok, "127.8.9.1": ok, "[::1]:8080": ok, "shop.localhost:8080": ok,
			"localhost.evil.test:8080": misdirected, "127.0.0.1.evil.test": misdirected, "192.168.1.7:8080": misdirected, "evil.test": misdirected,
		}},
	} {
		s := open(t, func(c *edge.Config) {
			c.Public, c.Hosts = must(url.Parse(site.public)), site.hosts
			c.Legacy.Cookie.Secure = c.Public.Scheme == "https"
		})
		for host, want := range site.want {
			for _, path := range []string{"/mono/", "/_crossfade/handshake", "/nowhere/../x"} {
				a := under(s, host, path, "Sec-Fetch-Site", "same-origin")
				if want == ok && path == "/mono/" && a.StatusCode != ok || want == ok && (a.StatusCode == misdirected || strings.Contains(a.text, "bad_host")) || want != ok && a.StatusCode != want {
					t.Errorf("%s with %v: %q%s was answered %d, want %d", site.public, site.hosts, host, path, a.StatusCode, want)
				}
				if want != ok && len(a.Response.Header["Set-Cookie"]) > 0 {
					t.Errorf("%q was given cookies", host)
				}
			}
		}
	}
}

func TestHosts_Refused(t *testing.T) {
	s := open(t)
	s.start()
	var reached int
	s.legacy.during = func(string) { reached++ }
	a := under(s, "evil.test", "/account/", append(navigation, "Cookie", "sessionid="+s.legacy.add("ann", [16]byte{}))...)
	t.Run("a person gets a plain page that tells nothing of the site", func(t *testing.T) {
		if a.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(a.text, "<!doctype html>") || !strings.Contains(a.text, "server&#39;s log") {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
		if strings.Contains(a.text, "shop.example") || strings.Contains(a.text, "evil.test") || a.Response.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%v %s", a.Response.Header, a.text)
		}
	})
	t.Run("nothing was done for it", func(t *testing.T) {
		if reached != 0 || s.observer.count(edge.CountHost) != 1 {
			t.Errorf("%d calls, counted %d", reached, s.observer.count(edge.CountHost))
		}
	})
	t.Run("the log names the next step, once in ten seconds", func(t *testing.T) {
		for range 5 {
			under(s, "evil.test", "/")
		}
		if n := strings.Count(s.log.String(), "add it to public.hosts"); n != 1 {
			t.Errorf("said %d times: %s", n, s.log.String())
		}
		s.clock.Advance(10 * time.Second)
		under(s, strings.Repeat("long.", 45)+"test", "/")
		if n := strings.Count(s.log.String(), "add it to public.hosts"); n != 2 || strings.Contains(s.log.String(), strings.Repeat("long.", 30)) {
			t.Errorf("said %d times: %s", n, s.log.String())
		}
	})
	t.Run("another host of the site has its own origin", func(t *testing.T) {
		s := open(t, func(c *edge.Config) { c.Hosts = []string{"m.shop.example"} })
		for origin, want := range map[string]int{"https://m.shop.example": 200, "https://shop.example": 200, "http://m.shop.example": 403, "https://evil.test": 403} {
			if a := under(s, "m.shop.example", "/_crossfade/handshake", "Origin", origin); a.StatusCode != want {
				t.Errorf("a page of %s was answered %d, want %d", origin, a.StatusCode, want)
			}
		}
	})
	t.Run("an edge whose hosts cannot be read is not built", func(t *testing.T) {
		for _, host := range []string{"https://m.shop.example", "*", "shop example", ""} {
			c := s.config
			c.Hosts = []string{host}
			if _, err := edge.New(c, s.deps); err == nil {
				t.Errorf("%q was accepted", host)
			}
		}
	})
}

func TestHosts_OverTheWire(t *testing.T) {
	reached := make(chan string, 10)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Host }))
	defer app.Close()
	front := overNetwork(t, app.URL)
	for text, want := range map[string]int{
		"GET /mono/ HTTP/1.1\r\nHost: evil.test\r\n\r\n":                                   421,
		"GET /mono/ HTTP/1.1\r\n\r\n":                                                      400,
		"GET /mono/ HTTP/1.0\r\n\r\n":                                                      400,
		"GET /mono/ HTTP/1.1\r\nHost: shop.example\r\nHost: evil.test\r\n\r\n":             400,
		"GET http://evil.test/mono/ HTTP/1.1\r\nHost: shop.example\r\n\r\n":                421,
		"GET /mono/ HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: shop.example\r\n\r\n": 421,
	} {
		c, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, text)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%q was answered %v, %v; want %d", text, res, err, want)
		}
		_ = c.Close()
	}
	select {
	case host := <-reached:
		t.Errorf("a request for %q reached the application", host)
	default:
	}
}

// FuzzHost promises that what is accepted is one of the site's names in every reading.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"shop.example", "a.brands.example:443", "[::1]", "shop.example:443@evil", "SHOP.example", "\x00", "[2001:db8::1]:443", "*.brands.example"} {
		f.Add(host)
	}
	judge := edge.HostJudge(f, "https://shop.example", "*.brands.example")
	f.Fuzz(func(t *testing.T, host string) {
		status := judge(host)
		if status != 0 && status != 400 && status != 421 {
			t.Fatalf("%q: %d", host, status)
		}
		u, err := url.Parse("https://" + host)
		if status == 0 && (err != nil || u.Host != host || !strings.EqualFold(u.Hostname(), "shop.example") && !strings.HasSuffix(strings.ToLower(u.Hostname()), ".brands.example") || u.Port() != "" && u.Port() != "443") {
			t.Fatalf("%q was accepted", host)
		}
	})
}
