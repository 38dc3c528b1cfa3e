package edge_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	cookieSession = "__Host-cf_session"
	cookieVisitor = "__Host-cf_visitor"
	cookieTicket  = "__Host-cf_ticket"
	cookieMagic   = "__Host-cf_magic"
	cookieTools   = "__Host-cf_tools"
	cookieLegacy  = "sessionid"
)

// browser keeps cookies as browsers do, one path and host being all that there is.
type browser struct {
	*site
	cookies map[string]string
	addr    string // where it is; empty: anywhere
}

func (s *site) browser() *browser { return &browser{site: s, cookies: map[string]string{}} }

// browserAt is a browser with an address.
func (s *site) browserAt(addr string) *browser {
	b := s.browser()
	b.addr = addr
	return b
}

// clone is a second tab's view, or a copy of the profile in somebody else's hands.
func (b *browser) clone() *browser {
	return &browser{site: b.site, cookies: maps.Clone(b.cookies), addr: b.addr}
}

// answer is a response, with what the application saw, if it was asked.
type answer struct {
	*http.Response
	text string
	who
}

func (b *browser) do(method, target string, headers ...string) answer {
	b.t.Helper()
	res := b.send(method, target, headers...)
	b.take(res.Response)
	return res
}

// send sends without keeping what the response sets: its answer is lost.
func (b *browser) send(method, target string, headers ...string) answer {
	b.t.Helper()
	return b.sendBody(method, target, "", headers...)
}

func (b *browser) sendBody(method, target, body string, headers ...string) answer {
	b.t.Helper()
	r := httptest.NewRequest(method, b.config.Public.String()+target, strings.NewReader(body))
	if b.addr != "" {
		r.RemoteAddr = b.addr
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	for _, name := range slices.Sorted(maps.Keys(b.cookies)) {
		if line := r.Header.Get("Cookie"); line != "" {
			r.Header.Set("Cookie", line+"; "+name+"="+b.cookies[name])
		} else {
			r.Header.Set("Cookie", name+"="+b.cookies[name])
		}
	}
	rec := httptest.NewRecorder()
	b.edge.ServeHTTP(rec, r)
	a := answer{Response: rec.Result(), text: rec.Body.String()}
	_ = json.Unmarshal(rec.Body.Bytes(), &a.who)
	b.check(a.Response)
	return a
}

// check holds every response against what must be true of all: I1, no-store, no forgotten secret.
func (b *browser) check(res *http.Response) {
	b.t.Helper()
	after := b.clone()
	after.take(res)
	if had := b.cookies; (had[cookieSession] == "" || had[cookieLegacy] == "") && after.cookies[cookieSession] != "" && after.cookies[cookieLegacy] != "" {
		b.t.Errorf("I1: the response leaves two session cookies: %q", res.Header["Set-Cookie"])
	}
	for _, line := range res.Header["Set-Cookie"] {
		if strings.Contains(line, "cf_") && !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
			b.t.Errorf("a response that writes %q may be stored: %q", line, res.Header.Get("Cache-Control"))
		}
	}
	if got := res.Header.Get("Crossfade-Context") + res.Header.Get("Crossfade-Session") + res.Header.Get("Crossfade-Session-End"); got != "" {
		b.t.Errorf("an internal header reached the browser: %q", got)
	}
}

func (b *browser) take(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.Domain != "" && c.MaxAge < 0 {
			continue // another variant
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

var navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "same-origin", "Accept", "text/html"}

// nav follows a link; fetch and post are what a page's script does.
func (b *browser) nav(target string, headers ...string) answer {
	b.t.Helper()
	return b.do("GET", target, append(slices.Clone(navigation), headers...)...)
}

func (b *browser) fetch(target string, headers ...string) answer {
	b.t.Helper()
	return b.do("GET", target, append([]string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin"}, headers...)...)
}

func (b *browser) post(target string, headers ...string) answer {
	b.t.Helper()
	return b.do("POST", target, append([]string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Origin", "https://shop.example"}, headers...)...)
}

func (b *browser) has(name string) bool { return b.cookies[name] != "" }

// holds fails unless the browser has exactly these session cookies ("token", "legacy", "ticket").
func (b *browser) holds(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for name, word := range map[string]string{cookieSession: "token", cookieLegacy: "legacy", cookieTicket: "ticket"} {
		if b.has(name) {
			got = append(got, word)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the browser holds %v, want %v", got, want)
	}
}

// served fails unless the request reached that upstream as that subject.
func (a answer) served(t testing.TB, upstream, subject string) {
	t.Helper()
	if a.StatusCode != http.StatusOK || a.Upstream != upstream || a.Subject != subject {
		t.Errorf("served %d by %q as %q, want by %q as %q: %s", a.StatusCode, a.Upstream, a.Subject, upstream, subject, a.text)
	}
}
