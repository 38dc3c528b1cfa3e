package edge_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

const idp = "https://idp.example"

// fromIdP is how a browser sends a form of the identity provider's page.
var fromIdP = []string{
	"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html",
	"Origin", idp, "Referer", idp + "/login", "Content-Type", "application/x-www-form-urlencoded",
}

const samlForm = "SAMLResponse=PHNhbWxwOlJlc3BvbnNlPg%3D%3D&RelayState=%2Faccount%2F%3Fa%3D1%26b%3D%22%3E%3Cscript%3E"

// foreign posts a form of another site: none of the browser's cookies comes along, what the answer sets stays.
func (b *browser) foreign(target, body string, headers ...string) answer {
	b.t.Helper()
	lax := &browser{site: b.site, cookies: map[string]string{}}
	a := lax.sendBody("POST", target, body, merged(fromIdP, headers)...)
	for _, line := range a.Response.Header["Set-Cookie"] {
		if strings.Contains(line, "cf_") {
			b.t.Errorf("an answer to another site's form writes %q", line)
		}
	}
	b.take(a.Response)
	return a
}

func merged(headers, others []string) []string {
	out := slices.Clone(headers)
	for i := 0; i+1 < len(others); i += 2 {
		if at := slices.Index(out, others[i]); at >= 0 {
			out[at+1] = others[i+1]
		} else {
			out = append(out, others[i], others[i+1])
		}
	}
	return out
}

var (
	pageAction = regexp.MustCompile(`<form [^>]*action="([^"]*)"`)
	pageField  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	pageScript = regexp.MustCompile(`(?s)<script>(.*)</script>`)
	pageStyle  = regexp.MustCompile(`(?s)<style>(.*)</style>`)
)

// comesBack posts a form of another site, and what the page that answers would post then.
func (b *browser) comesBack(path, query, body string) answer {
	b.t.Helper()
	target := path
	if query != "" {
		target += "?" + query
	}
	page := b.foreign(target, body)
	if page.Upstream != "" || !strings.Contains(page.text, "</form>") {
		b.t.Fatalf("%s was not asked to post again: %d %s", target, page.StatusCode, page.text)
	}
	action, again := readPage(page.text)
	return b.postAgain(path+action, again)
}

func readPage(text string) (action, body string) {
	var pairs []string
	for _, f := range pageField.FindAllStringSubmatch(text, -1) {
		pairs = append(pairs, url.QueryEscape(html.UnescapeString(f[1]))+"="+url.QueryEscape(html.UnescapeString(f[2])))
	}
	return html.UnescapeString(pageAction.FindStringSubmatch(text)[1]), strings.Join(pairs, "&")
}

func (b *browser) postAgain(target, body string, headers ...string) answer {
	b.t.Helper()
	own := []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://shop.example", "Referer", "https://shop.example/sso/acs"}
	a := b.sendBody("POST", target, body, merged(merged(fromIdP, own), headers)...)
	b.take(a.Response)
	return a
}

func TestEdge_Callback(t *testing.T) {
	t.Run("a login posted by another site is this browser's, whoever governs", func(t *testing.T) {
		for name, prepare := range map[string]func(*site){
			"before it starts": func(*site) {},
			"on new":           func(s *site) { s.start() },
			"under kill":       func(s *site) { s.start(); s.kill() },
			"under kill with the store down": func(s *site) {
				s.start()
				s.kill()
				s.storeDown()
			},
			"finished": func(s *site) {
				s.start()
				s.rollout.State = rollout.Finished
				s.publish()
			},
		} {
			t.Run(name, func(t *testing.T) {
				s := open(t)
				prepare(s)
				b := s.browser()
				b.nav("/mono/")
				b.post("/mono/?set=4")
				visitor := b.nav("/mono/").Claims.Visitor
				a := b.comesBack("/sso/acs", "login=ann", samlForm)
				a.served(t, "django", "ann")
				if a.Claims.Visitor != visitor {
					t.Errorf("the visitor is %v, was %v", a.Claims.Visitor, visitor)
				}
				a = b.nav("/mono/")
				a.served(t, "django", "ann")
				if a.Data["cart"] != "4" {
					t.Errorf("the cart is %q", a.Data["cart"])
				}
				if b.has(cookieSession) && b.has(cookieLegacy) {
					t.Error("two sessions")
				}
			})
		}
	})
	t.Run("and goes with her to new, and back", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.nav("/")
		b.comesBack("/sso/acs", "login=ann", samlForm).served(t, "django", "ann")
		s.start()
		b.nav("/").served(t, "shop", "ann")
		s.kill()
		b.nav("/").served(t, "django", "ann")
		if n := s.observer.count(edge.CountLostLogin); n != 0 {
			t.Errorf("%d lost logins", n)
		}
	})
	t.Run("the first visit of all works too", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.comesBack("/sso/acs", "login=ann", samlForm).served(t, "django", "ann")
		b.nav("/").served(t, "shop", "ann")
	})
	t.Run("a login of another user takes the place of the one before", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.comesBack("/sso/acs", "login=ann", samlForm)
		copied := b.clone()
		b.comesBack("/sso/acs", "login=bob", samlForm)
		b.nav("/").served(t, "shop", "bob")
		if a := copied.nav("/"); a.Subject == "bob" {
			t.Error("the old token yields the new login")
		}
	})
	t.Run("a new service is served as well", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.comesBack("/pay/done", "set=7", "paid=1").served(t, "shop", "")
		if a := b.nav("/"); a.Data["cart"] != "7" {
			t.Errorf("the cart is %q", a.Data["cart"])
		}
	})
}

func TestEdge_CallbackIsTold(t *testing.T) {
	s := open(t)
	s.start()
	victim := s.browser()
	victim.nav("/")
	victim.post("/mono/?login=ann")
	t.Run("an application sees where the form came from, and the form as it was", func(t *testing.T) {
		a := victim.comesBack("/sso/acs", "a=%7e%20'x'&b", samlForm)
		h := a.who.Header
		if h.Get("Origin") != idp || h.Get("Sec-Fetch-Site") != "cross-site" || h.Get("Referer") != "" {
			t.Errorf("Origin %q, Sec-Fetch-Site %q, Referer %q", h.Get("Origin"), h.Get("Sec-Fetch-Site"), h.Get("Referer"))
		}
		if a.Form != samlForm || a.Query != "a=%7e%20'x'&b" {
			t.Errorf("the form is %q, the query %q", a.Form, a.Query)
		}
		a.served(t, "django", "ann") // so that it can hold its own state against the form's
	})
	t.Run("without a query there is none afterwards", func(t *testing.T) {
		if a := victim.comesBack("/sso/acs", "", ""); a.Query != "" || a.Form != "" {
			t.Errorf("query %q, body %q", a.Query, a.Form)
		}
	})
	t.Run("a mark that does not open says that nobody knows", func(t *testing.T) {
		for _, mark := range []string{"", "garbage", "AAAA"} {
			a := victim.postAgain("/sso/acs?x=1&_crossfade="+mark, samlForm)
			if a.who.Header.Get("Origin") != "null" || a.who.Header.Get("Sec-Fetch-Site") != "cross-site" || a.Query != "x=1" {
				t.Errorf("%q: Origin %q, query %q", mark, a.who.Header.Get("Origin"), a.Query)
			}
		}
	})
	t.Run("the site's own form is left alone", func(t *testing.T) {
		a := victim.postAgain("/sso/acs?x=1", samlForm)
		if a.who.Header.Get("Origin") != "https://shop.example" || a.who.Header.Get("Sec-Fetch-Site") != "same-origin" || a.Form != samlForm {
			t.Errorf("Origin %q, body %q", a.who.Header.Get("Origin"), a.Form)
		}
	})
	t.Run("an old browser, too", func(t *testing.T) {
		old := []string{"Origin", idp, "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}
		b := s.browser()
		action, body := readPage(b.sendBody("POST", "/sso/acs", samlForm, old...).text)
		a := b.sendBody("POST", "/sso/acs"+action, body, merged(old, []string{"Origin", "https://shop.example"})...)
		if a.Upstream != "django" || a.who.Header.Get("Origin") != idp || a.who.Header.Get("Sec-Fetch-Site") != "" {
			t.Errorf("by %q, Origin %q", a.Upstream, a.who.Header.Get("Origin"))
		}
	})
}

func TestEdge_CallbackPage(t *testing.T) {
	s := open(t)
	a := s.browser().foreign("/sso/acs?next=%22%3E", samlForm)
	h := a.Response.Header
	if a.StatusCode != http.StatusOK || h.Get("Cache-Control") != "private, no-store" || h.Get("X-Frame-Options") != "DENY" ||
		h.Get("Referrer-Policy") != "same-origin" || h.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %v", a.StatusCode, h)
	}
	if len(h["Set-Cookie"]) != 0 {
		t.Errorf("sets %q", h["Set-Cookie"])
	}
	for _, part := range []*regexp.Regexp{pageScript, pageStyle} {
		sum := sha256.Sum256([]byte(part.FindStringSubmatch(a.text)[1]))
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(h.Get("Content-Security-Policy"), want) {
			t.Errorf("%s is not allowed by %s", want, h.Get("Content-Security-Policy"))
		}
	}
	if strings.Count(a.text, "<script") != 1 || !strings.Contains(a.text, "<button>") {
		t.Error(a.text)
	}
	if n := s.observer.count(edge.CountCallback); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// TestEdge_NotPostedAgain: all that goes on as it came. Whatever login it brings is stamped with nobody's id.
func TestEdge_NotPostedAgain(t *testing.T) {
	many := strings.Repeat("a=1&", 1001)
	for name, c := range map[string]struct {
		target, body string
		headers      []string
	}{
		"a route that is no callback":    {"/mono/", samlForm, nil},
		"a fetch":                        {"/sso/acs", samlForm, []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"}},
		"a frame":                        {"/sso/acs", samlForm, []string{"Sec-Fetch-Dest", "iframe"}},
		"a prerender":                    {"/sso/acs", samlForm, []string{"Sec-Purpose", "prefetch;prerender"}},
		"another kind of form":           {"/sso/acs", samlForm, []string{"Content-Type", "multipart/form-data; boundary=x"}},
		"another charset":                {"/sso/acs", samlForm, []string{"Content-Type", "application/x-www-form-urlencoded; charset=latin1"}},
		"a compressed one":               {"/sso/acs", samlForm, []string{"Content-Encoding", "gzip"}},
		"one that is too long":           {"/sso/acs", "a=" + strings.Repeat("x", 1<<20), nil},
		"one with too many fields":       {"/sso/acs", many, nil},
		"one that is not UTF-8":          {"/sso/acs", "name=Andr%E9", nil},
		"one that HTML cannot hold":      {"/sso/acs", "a=%00", nil},
		"one whose lines would change":   {"/sso/acs", "a=1%0A2", nil},
		"one that browsers would fill":   {"/sso/acs", "_charset_=x", nil},
		"one that cannot be read":        {"/sso/acs", "a=%zz", nil},
		"one that carries a mark":        {"/sso/acs?_crossfade=AAAA", samlForm, nil},
		"one with a mark, from anywhere": {"/sso/acs?_crossfade=", samlForm, []string{"Origin", "null"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			b := s.browser()
			b.nav("/")
			target, query, _ := strings.Cut(c.target, "?")
			a := b.foreign(target+"?login=ann"+extra(query), c.body, c.headers...)
			a.served(t, "django", "ann")
			if a.Form != c.body || a.who.Header.Get("Sec-Fetch-Site") != "cross-site" || strings.Contains(a.Query, "_crossfade") {
				t.Errorf("arrived as %.80q, query %q", a.Form, a.Query)
			}
			if !a.Claims.Visitor.IsZero() || a.who.Header.Get("Crossfade-Visitor") != "" {
				t.Errorf("known as %v, %q", a.Claims.Visitor, a.who.Header.Get("Crossfade-Visitor"))
			}
			if s.observer.count(edge.CountCrossSiteIn) != 1 || !strings.Contains(s.log.String(), "a form of another site was given a session") {
				t.Error("nobody learns that the login may be lost")
			}
			// It is as a login from before Crossfade, and not somebody else's.
			s.start()
			b.nav("/").served(t, "shop", "ann")
		})
	}
}

// pulled is a body during which something happens.
type pulled struct {
	io.Reader
	during func()
}

func (p *pulled) Read(b []byte) (int, error) { p.during(); return p.Reader.Read(b) }

// TestEdge_CallbackTakesItsTime: where cookies come along with other sites' forms, what a slow one is served as
// is decided when it has arrived.
func TestEdge_CallbackTakesItsTime(t *testing.T) {
	s := open(t, func(c *edge.Config) { c.Legacy.Cookie.SameSite = http.SameSiteNoneMode })
	s.start()
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	b.nav("/").served(t, "shop", "ann")
	const body = "a=%zz" // no page can send it again
	r := httptest.NewRequest("POST", "https://shop.example/pay/done", &pulled{strings.NewReader(body), func() {
		if s.rollout.Killed == "" {
			s.kill()
		}
	}})
	r.ContentLength = int64(len(body))
	for i := 0; i+1 < len(fromIdP); i += 2 {
		r.Header.Set(fromIdP[i], fromIdP[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	s.edge.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"Upstream":"django"`) || !strings.Contains(w.Body.String(), `"Subject":"ann"`) {
		t.Errorf("killed while it came, answered %d %s", w.Code, w.Body)
	}
}

// TestEdge_ForgottenCallback: a login that compares what comes back with what its session has finds none.
func TestEdge_ForgottenCallback(t *testing.T) {
	const said = "a form of another site was refused by the application"
	for name, c := range map[string]struct {
		target, status string
		headers        []string
		counted        int
	}{
		"an error is said":                       {"/mono/", "400", nil, 1},
		"a success is not":                       {"/mono/", "200", nil, 0},
		"a failure is the application's":         {"/mono/", "500", nil, 0},
		"nor is a callback, which needs no more": {"/sso/acs", "400", []string{"Sec-Fetch-Dest", "iframe"}, 0},
		"nor what is no form":                    {"/mono/", "400", []string{"Content-Type", "application/json"}, 0},
		"nor what our own pages send":            {"/mono/", "400", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://shop.example"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			(&browser{site: s, cookies: map[string]string{}}).sendBody("POST", c.target+"?status="+c.status, samlForm, merged(fromIdP, c.headers)...)
			if got := s.observer.count(edge.CountCrossSiteNo); got != c.counted || strings.Contains(s.log.String(), said) != (got > 0) {
				t.Errorf("counted %d times; log: %s", got, s.log.String())
			}
		})
	}
}

func TestEdge_CallbackConfig(t *testing.T) {
	s := open(t)
	for _, r := range []edge.Route{
		{Path: "/", Legacy: "django", New: "django", Callback: true},
		{Path: "/static/", Legacy: "django", New: "django", Callback: true, Plain: true},
	} {
		cfg := s.config
		cfg.Routes = []edge.Route{r}
		if _, err := edge.New(cfg, s.deps); err == nil {
			t.Errorf("%s is taken", r.Path)
		}
	}
	b := s.browser()
	b.cookies = map[string]string{cookieLegacy: s.legacy.add("ann", session.VisitorID{})}
	s.start()
	before := maps.Clone(b.cookies)
	b.nav("/sso/acs")
	if b.cookies[cookieLegacy] != before[cookieLegacy] || b.has(cookieSession) {
		t.Error("she was moved at a callback")
	}
}

// FuzzFormFields: a form that is taken comes back as the same pairs.
func FuzzFormFields(f *testing.F) {
	f.Add(samlForm)
	f.Add("a=1&a=2&b&c=%0D%0A&%C3%A9=+%2B")
	f.Add("&&=x")
	f.Fuzz(func(t *testing.T, body string) {
		names, values, ok := edge.FormFields(body)
		if !ok {
			return
		}
		var pairs []string
		for i := range names {
			pairs = append(pairs, url.QueryEscape(names[i])+"="+url.QueryEscape(values[i]))
		}
		n, v, ok := edge.FormFields(strings.Join(pairs, "&"))
		if !ok || !slices.Equal(n, names) || !slices.Equal(v, values) {
			t.Fatalf("%q becomes %q", body, pairs)
		}
	})
}

func extra(query string) string {
	if query == "" {
		return ""
	}
	return "&" + query
}
