package edge_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
)

// guarded is a site with pages that need a login beside some that need none.
func guarded(t *testing.T) *site {
	return open(t, func(c *edge.Config) {
		c.Routes = append([]edge.Route{
			{Path: "/shops/{id}/menu", Legacy: "django", New: "django"},
			{Path: "/shops/", Legacy: "django", New: "django", Require: "authenticated"},
			{Path: "/orders", Methods: []string{"POST"}, Legacy: "django", New: "django", Require: "authenticated"},
			{Path: "/invoices", Methods: []string{"GET"}, Legacy: "django", New: "django", Require: "authenticated"},
		}, c.Routes...)
	})
}

func TestEdge_LoginIsNotPassedBySpelling(t *testing.T) {
	s := guarded(t)
	for path, want := range map[string]int{
		"/shops/1": http.StatusFound, "/shops/1;v=2": http.StatusFound, "/%73hops/1": http.StatusFound, "//shops/1": http.StatusFound,
		// A server that drops parameters reads /shops/1.
		"/shops;v=2/1": http.StatusBadRequest, "/shops%3Bv=2/1": http.StatusBadRequest, "/;v/shops/1": http.StatusBadRequest, "/account;v=2/x": http.StatusBadRequest,
		// One that splits before it decodes reads the shop "1/menu".
		"/shops/1%2Fmenu": http.StatusBadRequest, "/shops/1%2fmenu": http.StatusBadRequest, "/shops/1%2Fmenu;v=2": http.StatusFound,
		"/shops/1/menu": http.StatusOK, "/shops/a%20b/menu": http.StatusOK, "/mono/a;v=2/b": http.StatusOK, "/mono/a%2Fb%2f%3b": http.StatusOK,
	} {
		if a := s.browser().nav(path); a.StatusCode != want {
			t.Errorf("%s was answered %d, want %d", path, a.StatusCode, want)
		}
	}
	for method, path := range map[string]string{"POST": "/orders", "post": "/orders", "Post": "/orders", "GET": "/invoices", "get": "/invoices", "HEAD": "/invoices", "head": "/invoices"} {
		a := s.browser().do(method, path, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty")
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s was answered %d", method, path, a.StatusCode)
		}
	}
	t.Run("in another case a method reaches the application as it came", func(t *testing.T) {
		if a := s.browser().do("patch", "/mono/", "Sec-Fetch-Site", "same-origin"); a.StatusCode != http.StatusOK {
			t.Errorf("answered %d", a.StatusCode)
		}
	})
}

// An upstream that echoes would tell the browser the context and a legacy key that was sealed.
func TestEdge_NothingIsTracedBack(t *testing.T) {
	s, b := staffed(t)
	for _, method := range []string{"TRACE", "trace"} {
		a := b.send(method, "/admin/")
		if a.StatusCode != http.StatusMethodNotAllowed || a.Upstream != "" || !strings.Contains(a.Response.Header.Get("Allow"), "GET") {
			t.Errorf("%s was answered %d by %q", method, a.StatusCode, a.Upstream)
		}
	}
	if s.observer.count(edge.CountTools) != 1 {
		t.Error("a tools session was made")
	}
}

// A wish for a WebSocket, which costs a header, is no way around what holds for bodies.
func TestBodyOfUpgrade(t *testing.T) {
	for _, connection := range []string{"", "Connection: Upgrade\r\n"} {
		ask := func(t *testing.T, front, rest string) *http.Response {
			t.Helper()
			c, err := net.Dial("tcp", front)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(c, "POST /mono/ HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\n"+connection+rest)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		t.Run("one that is too large is refused, with "+strings.TrimSpace(connection), func(t *testing.T) {
			front, got, _ := limited(t)
			if res := ask(t, front, "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"+strings.Repeat("x", 2000)+"\r\n0\r\n\r\n"); res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d", res.StatusCode)
			}
			if x := <-got; x.err == nil {
				t.Errorf("the application received %d bytes for a whole", x.size)
			}
		})
		t.Run("one that stalls is given up, with "+strings.TrimSpace(connection), func(t *testing.T) {
			app := httptest.NewServer(reader{make(chan received, 10)})
			defer app.Close()
			front := overNetwork(t, app.URL, func(c *edge.Config) { c.Handover.BodyStall = 200 * time.Millisecond })
			if res := ask(t, front, "Content-Length: 8\r\n\r\nhalf"); res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
}
