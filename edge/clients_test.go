package edge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// budgeted is a site whose clients may have the bridge asked once per second: ten times at once.
func budgeted(t *testing.T) *site {
	s := open(t, func(c *edge.Config) {
		c.Handover.ClientBudget = 1
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	})
	s.start()
	return s
}

// knock presents a made-up legacy cookie from an address, as an outsider would.
func knock(s *site, from string, headers ...string) answer {
	r := httptest.NewRequest("GET", "https://shop.example/mono/", nil)
	r.RemoteAddr = from
	for i := 0; i+1 < len(navigation); i += 2 {
		r.Header.Set(navigation[i], navigation[i+1])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	r.Header.Set("Cookie", fmt.Sprintf("sessionid=madeup%026d", s.legacy.keys))
	s.legacy.keys++
	w := httptest.NewRecorder()
	s.edge.ServeHTTP(w, r)
	return answer{Response: w.Result(), text: w.Body.String()}
}

// asked is how often the bridge was called while f ran.
func asked(s *site, f func()) int {
	before := len(s.legacy.calls)
	f()
	return len(s.legacy.calls) - before
}

func TestClientBudget(t *testing.T) {
	const outsider = "203.0.113.9:4000"
	many := func(s *site, n int, from string, headers ...string) func() {
		return func() {
			for range n {
				if a := knock(s, from, headers...); a.StatusCode != http.StatusOK {
					s.t.Errorf("answered %d", a.StatusCode)
				}
			}
		}
	}
	t.Run("made-up cookies make the bridge work within the budget alone, and are never an error", func(t *testing.T) {
		s := budgeted(t)
		if n := asked(s, many(s, 100, outsider)); n != 10 {
			t.Errorf("%d calls, want the ten that may come at once", n)
		}
		s.pass(3 * time.Second)
		if n := asked(s, many(s, 100, outsider)); n != 3 {
			t.Errorf("%d calls after three seconds", n)
		}
		if n := s.observer.count(edge.CountOverBudget); n != 187 {
			t.Errorf("counted %d", n)
		}
		if n := strings.Count(s.log.String(), "legacy.bridge.client_budget"); n != 1 {
			t.Errorf("the log named the next step %d times", n)
		}
	})
	t.Run("0 is no limit", func(t *testing.T) {
		s := started(open(t))
		if n := asked(s, many(s, 100, outsider)); n != 100 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("clients are told apart by address, in IPv6 by what one customer has", func(t *testing.T) {
		s := budgeted(t)
		many(s, 20, outsider)()
		many(s, 20, "[2001:db8:0:100::1]:4000")()
		for from, want := range map[string]int{
			"203.0.113.10:4000": 1, "203.0.113.9:5000": 0, "[::ffff:203.0.113.9]:1": 0,
			"[2001:db8:0:1ff:ffff::7]:4000": 0, "[2001:db8:0:200::1]:4000": 1, "[2001:db8:0:100::1%eth0]:4000": 0,
		} {
			if n := asked(s, many(s, 1, from)); n != want {
				t.Errorf("%s: %d calls, want %d", from, n, want)
			}
		}
	})
	t.Run("behind proxies of ours the client is the last address that is none of theirs", func(t *testing.T) {
		s := budgeted(t)
		many(s, 20, outsider)()
		for _, c := range []struct {
			peer, way string
			want      int
		}{
			{"10.0.0.1:1", "203.0.113.9", 0},
			{"10.0.0.1:1", "203.0.113.9:7777", 0},
			{"10.0.0.1:1", "198.51.100.1, 203.0.113.9", 0}, // what stands before it anybody could have written
			{"10.0.0.1:1", "203.0.113.9, 10.0.0.2", 0},
			{"[fd00::1]:1", "203.0.113.9, 10.0.0.2", 0},
			{"10.0.0.1:1", "198.51.100.2", 1},
			{"10.0.0.1:1", "203.0.113.9, 198.51.100.3", 1},
			{"10.0.0.1:1", "203.0.113.9, nonsense", 1}, // then it is the proxy itself
			{"203.0.113.9:1", "198.51.100.4", 0},       // no proxy of ours: not believed
		} {
			if n := asked(s, many(s, 1, c.peer, "X-Forwarded-For", c.way)); n != c.want {
				t.Errorf("%s by way of %s: %d calls, want %d", c.way, c.peer, n, c.want)
			}
		}
		if n := asked(s, many(s, 1, "10.0.0.1:1", "X-Forwarded-For", "198.51.100.9", "X-Forwarded-For", "203.0.113.9")); n != 0 {
			t.Errorf("in two lines: %d calls", n)
		}
	})
	t.Run("several values of one cookie cost one request", func(t *testing.T) {
		s := budgeted(t)
		for range 9 {
			knock(s, outsider)
		}
		r := "sessionid=a; sessionid=b; sessionid=c; sessionid=d"
		if n := asked(s, func() { s.browserAt(outsider).nav("/mono/", "Cookie", r) }); n != 4 {
			t.Errorf("%d calls", n)
		}
		if n := asked(s, func() { s.browserAt(outsider).nav("/mono/", "Cookie", r) }); n != 0 {
			t.Errorf("%d calls over the budget", n)
		}
	})
}

func TestClientBudget_SharedAddress(t *testing.T) {
	const gateway = "203.0.113.9:4000"
	spent := func(t *testing.T) *site {
		s := budgeted(t)
		for range 20 {
			knock(s, gateway)
		}
		return s
	}
	t.Run("people who are logged in are not counted: all of them are moved", func(t *testing.T) {
		s := budgeted(t)
		for i := range 50 {
			b := s.browserAt(gateway)
			b.cookies[cookieLegacy] = s.legacy.add(fmt.Sprint("user-", i), session.VisitorID{})
			b.nav("/").served(t, "shop", fmt.Sprint("user-", i))
		}
	})
	t.Run("beside an attacker a login passes through on legacy, and moves at a later page", func(t *testing.T) {
		s := spent(t)
		b := s.browserAt(gateway)
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		for range 3 {
			b.nav("/").served(t, "django", "ann")
			b.holds(t, "legacy")
		}
		s.pass(time.Second)
		b.nav("/").served(t, "shop", "ann")
		b.holds(t, "token", "ticket")
		if n := s.observer.count(edge.CountLostLogin); n != 0 {
			t.Errorf("%d logins lost", n)
		}
	})
	t.Run("a session on new is served as ever, and what stands beside it is judged later", func(t *testing.T) {
		s := spent(t)
		b := s.browserAt("198.51.100.1:1")
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/").served(t, "shop", "ann")
		b.addr = gateway
		b.nav("/").served(t, "shop", "ann")
		b.cookies[cookieLegacy] = "planted"
		b.nav("/").served(t, "shop", "ann")
		b.holds(t, "token", "ticket", "legacy")
		s.pass(time.Second)
		b.nav("/").served(t, "shop", "ann")
		b.holds(t, "token", "ticket")
	})
	t.Run("a login on legacy while a guest on new costs nobody anything", func(t *testing.T) {
		s := spent(t)
		b := s.browserAt(gateway)
		b.nav("/").served(t, "shop", "")
		b.post("/callback?login=ann&raw")
		b.nav("/account/").served(t, "django", "ann")
	})
	t.Run("the kill switch brings everybody back at once", func(t *testing.T) {
		s := spent(t)
		ann, guest, login := s.browserAt("198.51.100.1:1"), s.browserAt("198.51.100.1:1"), s.browserAt("198.51.100.1:1")
		ann.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		ann.nav("/").served(t, "shop", "ann")
		ann.cookies[cookieLegacy] = "planted"
		guest.nav("/")
		guest.cookies[cookieLegacy] = "planted"
		login.cookies[cookieLegacy] = s.legacy.add("bob", session.VisitorID{})
		for _, b := range []*browser{ann, guest, login} {
			b.addr = gateway
		}
		s.kill()
		ann.nav("/").served(t, "django", "ann")
		ann.holds(t, "legacy")
		guest.nav("/").served(t, "django", "")
		login.nav("/").served(t, "django", "bob")
		if n := s.observer.count(edge.CountLostLogin); n != 0 {
			t.Errorf("%d logins lost", n)
		}
	})
	t.Run("the handshake says what the last page knew", func(t *testing.T) {
		s := spent(t)
		b := s.browserAt(gateway)
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		if a := b.fetch("/_crossfade/handshake"); a.StatusCode != http.StatusOK || !strings.Contains(a.text, `"system":"legacy"`) {
			t.Errorf("%d %s", a.StatusCode, a.text)
		}
	})
	t.Run("a tool asks to log in, and its session comes later", func(t *testing.T) {
		s := spent(t)
		b := s.browserAt("198.51.100.1:1")
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/").served(t, "shop", "ann")
		b.addr = gateway
		if n := asked(s, func() { b.nav("/admin/").served(t, "django", "") }); n != 0 {
			t.Errorf("%d calls", n)
		}
		b.holds(t, "token", "ticket")
		s.pass(time.Second)
		b.nav("/admin/").served(t, "django", "ann")
	})
	t.Run("tools sessions that are thrown away are counted", func(t *testing.T) {
		s := budgeted(t)
		b := s.browserAt(gateway)
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		b.nav("/").served(t, "shop", "ann")
		for range 30 {
			b.send("GET", "/admin/", navigation...)
		}
		made := 0
		for _, call := range s.legacy.calls {
			if call == "restore:tools" {
				made++
			}
		}
		if made != 10 {
			t.Errorf("%d tools sessions were made: %v", made, slices.Compact(slices.Clone(s.legacy.calls)))
		}
	})
}
