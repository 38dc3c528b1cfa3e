package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

func TestHeadersThatApplicationsMisread(t *testing.T) {
	for _, name := range []string{"SCRIPT_NAME", "Script-Name", "script-name", "SCRIPT-NAME", "PATH_INFO", "Path-Info", "Remote-User", "REMOTE_USER", "X_Forwarded-Host", "X_Anything"} {
		t.Run(name+" does not reach an application and is counted", func(t *testing.T) {
			h := http.Header{name: {"/mono"}, "X-Requested-With": {"fetch"}}
			if !edge.StripRequest(h, nil) {
				t.Error("it was not counted as forged")
			}
			if len(h) != 1 || h["X-Requested-With"] == nil {
				t.Errorf("left: %v", h)
			}
		})
	}
}

func TestUpgradeIsForWebSocketsAlone(t *testing.T) {
	for _, c := range []struct {
		what, upgrade, connection string
		keep, left                string
	}{
		{"a WebSocket passes", "websocket", "Upgrade", "websocket", "Upgrade"},
		{"in any case", "WebSocket", "keep-alive, Upgrade", "WebSocket", "keep-alive, Upgrade"},
		{"h2c does not", "h2c", "Upgrade, HTTP2-Settings", "", ""},
		{"nor in company", "websocket, h2c", "keep-alive, Upgrade", "", "keep-alive"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := http.Header{"Upgrade": {c.upgrade}, "Connection": {c.connection}, "Http2-Settings": {"AAMAAABkAARAAAAAAAIAAAAA"}}
			edge.StripRequest(h, nil)
			if h.Get("Upgrade") != c.keep || h.Get("Connection") != c.left || h.Get("Http2-Settings") != "" {
				t.Errorf("left: %v", h)
			}
		})
	}
	t.Run("an upstream that switches protocols unasked is not followed", func(t *testing.T) {
		for _, protocol := range []string{"Upgrade: h2c\r\n", ""} {
			front := switching(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"+protocol+"\r\n")
			c, err := net.Dial("tcp", front)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, "GET /mono/ HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusBadGateway {
				t.Errorf("answered %d, want 502", res.StatusCode)
			}
		}
	})
}

// switching is the address of an edge before a legacy upstream that gives one answer, whatever is asked.
func switching(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
		}
	}()
	return overNetwork(t, "http://"+l.Addr().String())
}

// overNetwork is the address of an edge on the network, before a legacy upstream on the network.
func overNetwork(t *testing.T, upstream string, tweak ...func(*edge.Config)) string {
	t.Helper()
	s := open(t, append(tweak, toNetwork(upstream))...)
	front := httptest.NewServer(s.edge)
	t.Cleanup(front.Close)
	return front.Listener.Addr().String()
}

func toNetwork(upstream string) func(*edge.Config) {
	return func(c *edge.Config) {
		c.Upstreams[0] = edge.Upstream{Name: "django", URL: must(url.Parse(upstream)), Trusted: true}
	}
}

func TestOnlyLegacySetsTheLegacyCookie(t *testing.T) {
	plant := func(key string) string {
		return "/stranger/?header=Set-Cookie&header=" + url.QueryEscape("sessionid="+key+"; Path=/")
	}
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("another upstream cannot plant a session, rollout started: %v", started), func(t *testing.T) {
			s := open(t)
			if started {
				s.start()
			}
			b := s.browser()
			b.nav("/")
			b.nav(plant(s.legacy.add("mallory", session.VisitorID{})))
			if got := b.nav("/account/").Subject; got == "mallory" {
				t.Error("the browser is mallory's now")
			}
			if s.observer.count(edge.CountUntrusted) == 0 {
				t.Error("it was not counted")
			}
		})
	}
	t.Run("nor replace a login", func(t *testing.T) {
		s := open(t)
		s.start()
		b := s.browser()
		b.nav("/")
		b.post("/callback?login=ann")
		b.nav(plant(s.legacy.add("mallory", session.VisitorID{})))
		b.nav("/account/").served(t, "django", "ann")
	})
}

func TestLogoutWhileTheStoreIsDown(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("is still one when the store is back, killed: %v", killed), func(t *testing.T) {
			s := open(t)
			s.start()
			b := s.browser()
			b.nav("/")
			b.post("/callback?login=ann")
			b.nav("/account/").served(t, "django", "ann")
			s.storeDown()
			if killed {
				s.kill()
			}
			b.post("/mono/?logout").served(t, "django", "ann")
			b.holds(t)
			s.store.down.Store(false)
			if killed {
				s.lift()
				s.pass(time.Second)
			}
			if got := b.nav("/").Subject; got != "" {
				t.Errorf("logged out, and %q again", got)
			}
		})
	}
}

func TestSupersededLoginsEnd(t *testing.T) {
	login := func(t *testing.T) (s *site, b, old *browser) {
		s = open(t)
		s.start()
		b = s.browser()
		b.nav("/")
		b.post("/callback?login=ann")
		b.nav("/account/").served(t, "django", "ann")
		return s, b, b.clone()
	}
	t.Run("a login as somebody else ends the one before", func(t *testing.T) {
		_, b, old := login(t)
		b.post("/callback?login=bob&raw")
		b.nav("/account/").served(t, "django", "bob")
		if got := old.nav("/account/").Subject; got != "" {
			t.Errorf("the token of before still opens %q", got)
		}
	})
	t.Run("under kill, the same person's legacy session ends the token's", func(t *testing.T) {
		s, b, old := login(t)
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		s.kill()
		b.nav("/account/").served(t, "django", "ann")
		b.holds(t, "legacy")
		b.post("/mono/?logout")
		s.lift()
		s.pass(time.Second)
		if got := old.nav("/account/").Subject; got != "" {
			t.Errorf("the token of before still opens %q", got)
		}
	})
}

func TestNoCacheOverrulesNoStore(t *testing.T) {
	s := open(t)
	s.start()
	names := []string{"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Vercel-Cdn-Cache-Control", "Netlify-Cdn-Cache-Control", "Akamai-Cache-Control", "Edge-Control", "Surrogate-Control", "X-Accel-Expires", "Expires"}
	target := "/?header=Cache-Control&header=public,max-age=60"
	for _, name := range names {
		target += "&header=" + name + "&header=max-age=60"
	}
	res := s.browser().nav(target)
	for _, name := range names {
		if got := res.Response.Header.Get(name); got != "" {
			t.Errorf("%s: %s beside a cookie", name, got)
		}
	}
	if got := res.Response.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control: %s", got)
	}
}

// slowWrites is a session plane whose durable writes take their time, as the context allows.
type slowWrites struct {
	edge.Sessions
	takes time.Duration
}

func (s slowWrites) wait(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < s.takes {
		return errDown // it would run out
	}
	return nil
}

func (s slowWrites) ClaimRestore(ctx context.Context, id session.ID) (session.Claim, error) {
	if err := s.wait(ctx); err != nil {
		return session.Claim{}, err
	}
	return s.Sessions.ClaimRestore(ctx, id)
}

func (s slowWrites) FinishRestore(ctx context.Context, c session.Claim) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Sessions.FinishRestore(ctx, c)
}

func TestKillWithASlowStore(t *testing.T) {
	for takes, want := range map[time.Duration]string{200 * time.Millisecond: "7", time.Hour: ""} {
		t.Run(fmt.Sprintf("a kill while the store takes %v leaves a guest's cart as %q", takes, want), func(t *testing.T) {
			s := open(t)
			s.wrap = func(inner edge.Sessions) edge.Sessions { return slowWrites{inner, takes} }
			s.build()
			s.start()
			b := s.browser()
			b.nav("/")
			b.post("/?set=7")
			b.nav("/")
			s.kill()
			if got := b.nav("/").Data["cart"]; got != want {
				t.Errorf("the cart is %q", got)
			}
			if said := strings.Contains(s.log.String(), "could not be claimed"); said != (want == "") {
				t.Errorf("the log says that it could not be claimed: %v", said)
			}
		})
	}
}

func TestHandshakeTellsWhenALegacySessionExpires(t *testing.T) {
	for _, first := range []string{"/", ""} {
		s := open(t)
		b := s.browser()
		b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
		if first != "" {
			b.nav(first)
		}
		var g struct {
			Kind    string `json:"kind"`
			Expires int64  `json:"expires"`
		}
		if err := json.Unmarshal([]byte(b.fetch("/_crossfade/handshake").text), &g); err != nil {
			t.Fatal(err)
		}
		if want := s.clock.Now().Add(14 * 24 * time.Hour).Unix(); g.Kind != "authenticated" || g.Expires != want {
			t.Errorf("kind %q, expires %d, want %d", g.Kind, g.Expires, want)
		}
	}
}

func TestStalledBodies(t *testing.T) {
	freed := make(chan error, 1)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		freed <- err
		_, _ = io.WriteString(w, "thank you")
	}))
	defer app.Close()
	front := overNetwork(t, app.URL, func(c *edge.Config) { c.Handover.BodyStall = 200 * time.Millisecond })
	begin := func(t *testing.T) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, bufio.NewReader(c)
	}
	t.Run("a body that stalls is answered 408, and the upstream is free", func(t *testing.T) {
		c, r := begin(t)
		fmt.Fprint(c, "POST /mono/ HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\nhalf")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestTimeout || !res.Close {
			t.Errorf("answered %d, connection closed: %v", res.StatusCode, res.Close)
		}
		if err := <-freed; err == nil {
			t.Error("the upstream took half a body for a whole one")
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("the connection goes on: %v", err)
		}
	})
	t.Run("a form for a callback that stalls is given up too", func(t *testing.T) {
		c, r := begin(t)
		fmt.Fprint(c, "POST /sso/acs HTTP/1.1\r\nHost: shop.example\r\nOrigin: https://idp.example\r\nAccept: text/html\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nhalf")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestTimeout || !res.Close {
			t.Errorf("answered %d, connection closed: %v", res.StatusCode, res.Close)
		}
	})
	t.Run("a connection goes on after a body that arrived", func(t *testing.T) {
		c, r := begin(t)
		for range 2 {
			fmt.Fprint(c, "POST /mono/ HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
			fmt.Fprint(c, "4\r\nrest\r\n0\r\n\r\n")
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := readAll(res.Body); res.StatusCode != http.StatusOK || text != "thank you" {
				t.Errorf("answered %d %q", res.StatusCode, text)
			}
			if err := <-freed; err != nil {
				t.Error(err)
			}
		}
	})
}
