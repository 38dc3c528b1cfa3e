package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/edge"
)

// reader is an upstream that tells how many bytes of a body reached it, and whether it was whole.
type reader struct{ got chan received }

type received struct {
	target string
	size   int64
	err    error
}

func (u reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	u.got <- received{r.URL.Path, n, err}
	_, _ = io.WriteString(w, "thank you")
}

// limited is an edge on the network that takes bodies of 1000 bytes, and more where a route says so.
func limited(t *testing.T) (front string, got chan received, s *site) {
	t.Helper()
	up := reader{make(chan received, 10)}
	app := httptest.NewServer(up)
	t.Cleanup(app.Close)
	s = open(t, toNetwork(app.URL), func(c *edge.Config) {
		c.MaxBody, c.Handover.BodyStall = 1000, time.Minute
		c.Routes = append([]edge.Route{
			{Path: "/mono/upload", Legacy: "django", New: "django", MaxBody: 5000},
			{Path: "/mono/stream", Legacy: "django", New: "django", MaxBody: -1},
		}, c.Routes...)
	})
	server := httptest.NewServer(s.edge)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), up.got, s
}

func TestBodySize(t *testing.T) {
	front, got, s := limited(t)
	// ask sends a request and, behind it on the same connection, another one that must not be taken from its body.
	ask := func(t *testing.T, path, framing, body string) (*http.Response, string, *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: shop.example\r\n%s\r\n\r\n%sGET /mono/behind HTTP/1.1\r\nHost: shop.example\r\n\r\n", path, framing, body)
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res, readAll(res.Body), r
	}
	length := func(n int) (string, string) {
		return fmt.Sprintf("Content-Length: %d", n), strings.Repeat("x", n)
	}
	chunked := func(n int) (string, string) {
		var b strings.Builder
		for left := n; left > 0; left -= 100 {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", min(left, 100), strings.Repeat("x", min(left, 100)))
		}
		return "Transfer-Encoding: chunked", b.String() + "0\r\n\r\n"
	}
	for name, frame := range map[string]func(int) (string, string){"announced": length, "in chunks": chunked} {
		t.Run(name+": what fits passes, and the connection goes on", func(t *testing.T) {
			for path, size := range map[string]int{"/mono/": 1000, "/mono/upload": 5000, "/mono/stream": 500_000} {
				framing, body := frame(size)
				res, text, rest := ask(t, path, framing, body)
				if res.StatusCode != http.StatusOK || text != "thank you" {
					t.Errorf("%s was answered %d %q", path, res.StatusCode, text)
				}
				if x := <-got; x.size != int64(size) || x.err != nil {
					t.Errorf("%s arrived as %+v", path, x)
				}
				if next, err := http.ReadResponse(rest, nil); err != nil || next.StatusCode != http.StatusOK {
					t.Errorf("the next request was answered %v, %v", next, err)
				}
				<-got
			}
		})
		t.Run(name+": what is larger is answered 413, and the connection ends", func(t *testing.T) {
			for path, size := range map[string]int{"/mono/": 1001, "/mono/upload": 600_000} {
				counted := s.observer.count(edge.CountTooLarge)
				framing, body := frame(size)
				res, text, rest := ask(t, path, framing, body)
				if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(text, "too_large") || !res.Close {
					t.Errorf("%s was answered %d %q, connection closed: %v", path, res.StatusCode, text, res.Close)
				}
				if next, err := http.ReadResponse(rest, nil); err == nil {
					t.Errorf("what stood behind it was answered %d", next.StatusCode)
				}
				if n := s.observer.count(edge.CountTooLarge) - counted; n != 1 {
					t.Errorf("counted %d times", n)
				}
				if name == "in chunks" {
					if x := <-got; x.err == nil {
						t.Errorf("the application took a part for the whole: %+v", x)
					}
				}
			}
			select {
			case x := <-got:
				t.Errorf("the application received %+v", x)
			default:
			}
		})
	}
	t.Run("a client that waits to be told to go on is told at once", func(t *testing.T) {
		res, _, _ := ask(t, "/mono/", "Content-Length: 1001\r\nExpect: 100-continue", "")
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %d", res.StatusCode)
		}
	})
	t.Run("a length beyond every number is no way around", func(t *testing.T) {
		res, _, _ := ask(t, "/mono/", "Content-Length: 99999999999999999999", "")
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("answered %d", res.StatusCode)
		}
	})
	t.Run("the log names the next step", func(t *testing.T) {
		if !strings.Contains(s.log.String(), "raise public.max_body") {
			t.Error(s.log.String())
		}
	})
	t.Run("what nobody says is limited to 32 MiB", func(t *testing.T) {
		s := open(t)
		for size, want := range map[int64]int{32 << 20: http.StatusOK, 32<<20 + 1: http.StatusRequestEntityTooLarge} {
			r := httptest.NewRequest("POST", "https://shop.example/mono/", http.NoBody)
			r.ContentLength, r.Body = size, io.NopCloser(strings.NewReader(""))
			w := httptest.NewRecorder()
			s.edge.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%d bytes were answered %d, want %d", size, w.Code, want)
			}
		}
	})
}

func TestBodySize_HTTP2(t *testing.T) {
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "thank you")
	}, func(c *edge.Config) { c.MaxBody = 1000 })
	b := member(s)
	for size, want := range map[int]int{1000: http.StatusOK, 1001: http.StatusRequestEntityTooLarge, 500_000: http.StatusRequestEntityTooLarge} {
		for _, announced := range []bool{true, false} {
			r := b.request(t, "POST", front.URL+"/", strings.NewReader(strings.Repeat("x", size)))
			if !announced {
				r.ContentLength = -1
			}
			res, err := client(front, true).Do(r)
			if err != nil {
				t.Errorf("%d bytes, announced %v: %v", size, announced, err)
				continue
			}
			if _ = readAll(res.Body); res.StatusCode != want {
				t.Errorf("%d bytes, announced %v: %d, want %d", size, announced, res.StatusCode, want)
			}
		}
	}
}

// What the edge answers itself must not leave a connection waiting for a body that never comes.
func TestBodyOfRefusedRequest(t *testing.T) {
	front := overNetwork(t, "http://127.0.0.1:1", func(c *edge.Config) { c.Handover.BodyStall = 100 * time.Millisecond })
	for _, target := range []string{"GET /_crossfade/handshake", "POST /_crossfade/client.js", "POST /_crossfade/bridge/v1/end", "POST /x/%2e%2e/y"} {
		c, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\nhalf", target)
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("%s: the connection was not closed: %v", target, err)
		}
		_ = c.Close()
	}
}
