package edge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

func TestCookies_Read(t *testing.T) {
	for name, c := range map[string]struct {
		headers         []string
		session, legacy []string
		rebuilt         string
	}{
		"others stay byte for byte": {
			headers: []string{`a=1;  b="x; c=2"; __Host-cf_session=tok; sessionid=key; theme=dark`},
			session: []string{"tok"}, legacy: []string{"key"},
			rebuilt: `a=1;  b="x; c=2"; theme=dark; sessionid=JUDGED`,
		},
		"identical duplicates are one": {
			headers: []string{"sessionid=key; sessionid=key"}, legacy: []string{"key"}, rebuilt: "sessionid=JUDGED",
		},
		"two header lines": {
			headers: []string{"a=1; sessionid=x", "sessionid=y; b=2"}, legacy: []string{"x", "y"}, rebuilt: "a=1; b=2; sessionid=JUDGED",
		},
		"names that other parsers trim are taken out and not believed": {
			headers: []string{"\x0bsessionid=a; sessionid\t=b; \xa0sessionid=c; \"sessionid\"=d; \xa0__Host-cf_session=e"},
			legacy:  []string{"b"}, rebuilt: "sessionid=JUDGED",
		},
		"names that other parsers decode are taken out and not believed": {
			headers: []string{"%73essionid=a; __Host-cf%5fsession=t"}, rebuilt: "sessionid=JUDGED",
		},
		"our names without the prefix": {
			headers: []string{"cf_session=a; __Secure-cf_session=b; cf_tools=c; x=1"}, rebuilt: "x=1; sessionid=JUDGED",
		},
		"quoted values": {
			headers: []string{`sessionid="key"`}, legacy: []string{"key"}, rebuilt: "sessionid=JUDGED",
		},
		"values that parsers disagree on count as none": {
			headers: []string{`sessionid="a\075b"; __Host-cf_session=a b; x=1`}, rebuilt: "x=1; sessionid=JUDGED",
		},
		"too many to tell": {
			headers: []string{"sessionid=1; sessionid=2; sessionid=3; sessionid=4; sessionid=5"}, rebuilt: "sessionid=JUDGED",
		},
		"a name without a value":   {headers: []string{"sessionid; x"}, rebuilt: "x; sessionid=JUDGED"},
		"names are case-sensitive": {headers: []string{"SESSIONID=other"}, rebuilt: "SESSIONID=other; sessionid=JUDGED"},
	} {
		t.Run(name, func(t *testing.T) {
			token, legacy, rebuilt := edge.Jar(c.headers, "JUDGED")
			if !slices.Equal(token, c.session) || !slices.Equal(legacy, c.legacy) {
				t.Errorf("read %q and %q", token, legacy)
			}
			if rebuilt != c.rebuilt {
				t.Errorf("passed on %q, want %q", rebuilt, c.rebuilt)
			}
		})
	}
}

// FuzzCookies: nothing named like ours or like legacy's reaches the application but the judged key,
// whichever of several parsers reads what is passed on.
func FuzzCookies(f *testing.F) {
	f.Add("a=1; sessionid=x; __Host-cf_session=y", "sessionid=z")
	f.Add("\xa0sessionid=x;%73essionid=y", `b="; sessionid=q"`)
	f.Add(";;=;sessionid", "=sessionid=1")
	f.Fuzz(func(t *testing.T, one, two string) {
		_, _, rebuilt := edge.Jar([]string{one, two}, "JUDGED")
		seen := 0
		for pair := range strings.SplitSeq(rebuilt, ";") { // as Django reads it
			name, value, _ := strings.Cut(pair, "=")
			name = strings.TrimFunc(name, pythonSpace)
			switch {
			case name == "sessionid" && strings.TrimSpace(value) == "JUDGED":
				seen++
			case name == "sessionid" || name == "cf_session" || name == "__Host-cf_session" || name == "__Secure-cf_session":
				t.Fatalf("%q passes %q", rebuilt, pair)
			}
		}
		r := http.Request{Header: http.Header{"Cookie": {rebuilt}}}
		for _, c := range r.Cookies() { // as Go reads it
			if c.Name == "sessionid" && c.Value != "JUDGED" {
				t.Fatalf("%q passes %q", rebuilt, c.Value)
			}
		}
		if seen != 1 {
			t.Fatalf("%q holds the judged key %d times", rebuilt, seen)
		}
	})
}

func TestCookies_Size(t *testing.T) {
	s := open(t)
	s.staff["somebody-with-a-rather-long-subject-0123456789abcdef@identity.example"] = true
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("somebody-with-a-rather-long-subject-0123456789abcdef@identity.example", session.VisitorID{})
	b.cookies[cookieMagic] = rollout.MintMagic(s.ring, rollout.MagicID{1}, s.clock.Now().Add(1e12))
	s.start()
	b.nav("/")
	b.nav("/admin/")
	b.cookies[cookieVisitor] = edge.SampleVisitor(s.ring) // as large as it can get
	b.cookies[cookieTicket] = edge.SampleTicket(s.ring, strings.Repeat("k", 40), strings.Repeat("s", 120))
	b.cookies[cookieTools] = edge.SampleTools(s.ring, strings.Repeat("k", 40), strings.Repeat("s", 76))
	total := 0
	for _, name := range []string{cookieSession, cookieVisitor, cookieTicket, cookieMagic, cookieTools} {
		if !b.has(name) {
			t.Errorf("%s is missing", name)
		}
		total += len(name) + 1 + len(b.cookies[name]) + 2
	}
	if total >= 1024 {
		t.Errorf("all cookies together have %d bytes", total)
	}
	t.Logf("%d bytes", total)
}

func TestCookies_Attributes(t *testing.T) {
	lines := func(a answer, name string) (out []string) {
		for _, line := range a.Response.Header["Set-Cookie"] {
			if strings.HasPrefix(line, name+"=") {
				out = append(out, line)
			}
		}
		return out
	}
	t.Run("ours have the prefix and all that it asks for", func(t *testing.T) {
		s := open(t)
		s.start()
		for _, name := range []string{cookieSession, cookieVisitor} {
			got := lines(s.browser().nav("/"), name)
			if len(got) != 1 || !strings.Contains(got[0], "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=") {
				t.Errorf("%s is set as %q", name, got)
			}
		}
	})
	t.Run("legacy's is deleted in every form that it ever had", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		got := lines(b.nav("/"), "sessionid")
		if len(got) != 2 || !strings.Contains(got[0], "Domain=shop.example") || strings.Contains(got[1], "Domain") {
			t.Errorf("deleted as %q", got)
		}
		for _, line := range got {
			if !strings.Contains(line, "Max-Age=0") {
				t.Errorf("%q deletes nothing", line)
			}
		}
	})
	t.Run("without TLS on localhost there is no prefix", func(t *testing.T) {
		s := open(t, func(c *edge.Config) {
			c.Public.Scheme, c.Public.Host = "http", "localhost:8080"
			c.Legacy.Cookie.Secure = false
		})
		s.start()
		got := lines(s.browser().nav("/"), "cf_session")
		if len(got) != 1 || strings.Contains(got[0], "Secure") {
			t.Errorf("set as %q", got)
		}
	})
}

func TestEdge_Duplicates(t *testing.T) {
	t.Run("of two legacy keys the live one counts, and one is left", func(t *testing.T) {
		s := open(t)
		key := s.legacy.add("ann", session.VisitorID{})
		b := s.browser()
		a := b.nav("/", "Cookie", "sessionid=dead000000000000000000000000dead; sessionid="+key)
		a.served(t, "django", "ann")
		if b.cookies[cookieLegacy] != key {
			t.Errorf("the browser keeps %q", b.cookies[cookieLegacy])
		}
	})
	t.Run("two live ones count as none, and nothing is deleted", func(t *testing.T) {
		s := open(t)
		one, two := s.legacy.add("ann", session.VisitorID{}), s.legacy.add("mallory", session.VisitorID{})
		b := s.browser()
		a := b.nav("/", "Cookie", "sessionid="+one+"; sessionid="+two)
		a.served(t, "django", "")
		if got := a.Response.Header["Set-Cookie"]; len(got) != 1 || !strings.HasPrefix(got[0], cookieVisitor) {
			t.Errorf("set: %q", got)
		}
		if s.observer.count(edge.CountDuplicate) == 0 {
			t.Error("not counted")
		}
	})
	t.Run("of two tokens the live one counts", func(t *testing.T) {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.start()
		b.nav("/")
		other := s.browser()
		other.cookies[cookieVisitor] = b.cookies[cookieVisitor]
		other.nav("/", "Cookie", cookieSession+"=cf1_forged; "+cookieSession+"="+b.cookies[cookieSession]).served(t, "shop", "ann")
	})
	t.Run("two good visitor cookies count as none", func(t *testing.T) {
		s := open(t)
		one, two := s.browser(), s.browser()
		a, b := one.nav("/"), two.nav("/")
		third := s.browser()
		got := third.nav("/", "Cookie", cookieVisitor+"="+one.cookies[cookieVisitor]+"; "+cookieVisitor+"="+two.cookies[cookieVisitor])
		if v := got.Claims.Visitor; v == a.Claims.Visitor || v == b.Claims.Visitor {
			t.Error("one of them was believed")
		}
	})
}

func FuzzVisitorCookie(f *testing.F) {
	s := open(f)
	f.Add(edge.SampleVisitor(s.ring))
	f.Add("")
	f.Add("AQEB")
	f.Fuzz(func(t *testing.T, text string) {
		if again, ok := edge.DecodeVisitor(s.ring, text); ok && again != text {
			t.Fatalf("%q verifies and is written %q", text, again)
		}
	})
}

func FuzzTicket(f *testing.F) {
	s := open(f)
	f.Add(edge.SampleTicket(s.ring, "key", "subject"))
	f.Add(edge.SampleTicket(s.ring, strings.Repeat("k", 160), "s"))
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		if key, _, ok := edge.OpenTicket(s.ring, text); ok && key == "" {
			t.Fatalf("%q opens without a key", text)
		}
		sealed := edge.SampleTicket(s.ring, text, text)
		if sealed == "" {
			if text != "" && len(text) <= 160 {
				t.Fatalf("no ticket for %d bytes", len(text))
			}
			return
		}
		key, subject, ok := edge.OpenTicket(s.ring, sealed)
		if !ok || key != text || (subject != text && subject != "") {
			t.Fatalf("%q comes back as %q, %q", text, key, subject)
		}
	})
}

func FuzzToolsCookie(f *testing.F) {
	s := open(f)
	f.Add(edge.SampleTools(s.ring, "key", "subject"))
	f.Add(edge.SampleTools(s.ring, strings.Repeat("k", 100), strings.Repeat("s", 100)))
	f.Add(strings.Repeat("k", 117))
	f.Add("a; b")
	f.Fuzz(func(t *testing.T, text string) {
		if key, subject, known, ok := edge.OpenTools(s.ring, text); ok && (key == "" || !known && subject != "") {
			t.Fatalf("%q opens as %q of %q", text, key, subject)
		}
		sealed := edge.SampleTools(s.ring, text, text)
		if sealed == "" {
			if text != "" && len(text) <= 116 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r) }) {
				t.Fatalf("no cookie for %q", text)
			}
			return
		}
		key, subject, known, ok := edge.OpenTools(s.ring, sealed)
		if !ok || key != text || known != (subject == text) || known != (2*len(text) <= 116) {
			t.Fatalf("%q comes back as %q of %q, known: %v", text, key, subject, known)
		}
	})
}

// pythonSpace is what Python's str.strip removes of a header that was decoded as latin-1.
func pythonSpace(r rune) bool {
	return strings.ContainsRune(" \t\n\v\f\r\x1c\x1d\x1e\x1f", r) || r == 0x85 || r == 0xa0 || r == utf8.RuneError
}

// TestEdge_settledVisitor: a response that changes nothing writes no cookie, or every page of the site would
// be private and no cache could keep one.
func TestEdge_settledVisitor(t *testing.T) {
	for name, started := range map[string]bool{"on legacy": false, "on new": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if started {
				s.start()
			}
			b := s.browser()
			b.nav("/")
			b.nav("/")
			a := b.nav("/")
			if set := a.Response.Header["Set-Cookie"]; len(set) != 0 || a.Response.Header.Get("Cache-Control") != "" {
				t.Errorf("the third page sets %q and is %q", set, a.Response.Header.Get("Cache-Control"))
			}
		})
	}
}
