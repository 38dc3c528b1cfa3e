package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clienttest"
)

// serve runs one request of a visitor through the middleware and a handler.
func serve(c *clienttest.Crossfade, v *clienttest.Visitor, h func(http.ResponseWriter, *http.Request, *client.Session)) *httptest.ResponseRecorder {
	return v.Do(handler(c, h), http.MethodGet, "/", "")
}

func handler(c *clienttest.Crossfade, h func(http.ResponseWriter, *http.Request, *client.Session)) http.Handler {
	return c.Client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r, client.SessionFromContext(r.Context()))
	}))
}

func TestMiddleware(t *testing.T) {
	c := clienttest.New(t)
	nobody := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request passed") })

	t.Run("identity comes from the context, without a call", func(t *testing.T) {
		serve(c, c.Customer("42"), func(_ http.ResponseWriter, _ *http.Request, s *client.Session) {
			if !s.Exists() || !s.Authenticated() || s.Subject() != "42" || len(s.ID()) != 32 || len(s.Visitor()) != 32 ||
				s.System() != "new" || s.Arm() != "new" || s.Methods()[0] != "pwd" || time.Since(s.AuthTime()) > time.Minute {
				t.Errorf("%+v", s)
			}
		})
		serve(c, c.Stranger(), func(_ http.ResponseWriter, _ *http.Request, s *client.Session) {
			if s.Exists() || s.Authenticated() || s.Subject() != "" || s.ID() != "" || s.System() != "legacy" || !s.AuthTime().IsZero() {
				t.Errorf("%+v", s)
			}
		})
		if n := c.Calls(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
	for name, set := range map[string]func(*http.Request){
		"without a context":       func(*http.Request) {},
		"with two contexts":       func(r *http.Request) { c.Customer("1").Sign(r); r.Header.Add("Crossfade-Context", "x") },
		"with a forged context":   func(r *http.Request) { r.Header.Set("Crossfade-Context", "a.b.c") },
		"with another's audience": func(r *http.Request) { clienttest.New(t, func(c *client.Config) { c.Name = "other" }).Guest().Sign(r) },
	} {
		t.Run("a request "+name+" is refused", func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			set(r)
			w := httptest.NewRecorder()
			c.Client.Middleware(nobody).ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Fatal(w.Code, w.Body)
			}
		})
	}
	t.Run("requests past the edge may be allowed, as nobody's", func(t *testing.T) {
		open := clienttest.New(t, func(c *client.Config) { c.AllowWithoutContext = true })
		h := handler(open, func(w http.ResponseWriter, r *http.Request, s *client.Session) {
			if s.Exists() || s.Authenticated() {
				t.Error("somebody")
			}
			if err := s.Set(r.Context(), "a", 1); !errors.Is(err, client.ErrNoSession) {
				t.Error(err)
			}
		})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	})
	t.Run("without keys nobody can be known: 503", func(t *testing.T) {
		cl, err := client.New(client.Config{API: "http://127.0.0.1:1", Name: "service-under-test", Secret: "x"})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		cl.Middleware(nobody).ServeHTTP(w, c.Guest().Sign(httptest.NewRequest(http.MethodGet, "/", nil)))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Fatal(w.Code, w.Header())
		}
	})
	t.Run("outside of the middleware there is nobody", func(t *testing.T) {
		s := client.SessionFromContext(t.Context())
		if s.Exists() || !errors.Is(s.Set(t.Context(), "a", 1), client.ErrNoSession) || s.End(t.Context(), "x") != nil {
			t.Fatal("somebody")
		}
		if vs, err := s.Values(t.Context()); err != nil || len(vs) != 0 {
			t.Fatal(vs, err)
		}
	})
}

func TestSession_values(t *testing.T) {
	c := clienttest.New(t)
	type item struct{ Qty int }

	t.Run("one call however much is read", func(t *testing.T) {
		v := c.Customer("42")
		v.Put("cart", item{2})
		v.Put("note", "hi")
		v.Put("_auth_user_id", "42")
		before := c.Calls()
		serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			var cart item
			var note string
			if ok, err := s.Get(r.Context(), "cart", &cart); !ok || err != nil || cart.Qty != 2 {
				t.Error(ok, err, cart)
			}
			if ok, err := s.Get(r.Context(), "note", &note); !ok || err != nil || note != "hi" {
				t.Error(ok, err, note)
			}
			if ok, err := s.Get(r.Context(), "_auth_user_id", &note); ok || err != nil {
				t.Error("saw a private key", err)
			}
			if ok, err := s.Get(r.Context(), "cart", &note); !ok || err == nil {
				t.Error("decoded an object into a string")
			}
			if vs, err := s.Values(r.Context()); err != nil || len(vs) != 2 {
				t.Error(vs, err)
			}
		})
		if n := c.Calls() - before; n != 1 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("a guest who has written nothing costs no call", func(t *testing.T) {
		before := c.Calls()
		serve(c, c.Guest(), func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			if ok, err := s.Get(r.Context(), "cart", new(item)); ok || err != nil {
				t.Error(ok, err)
			}
		})
		if n := c.Calls() - before; n != 0 {
			t.Errorf("%d calls", n)
		}
	})
	t.Run("what was written is read, in this request and the next", func(t *testing.T) {
		v := c.Guest()
		for range 2 {
			w := serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
				if _, err := s.Values(r.Context()); err != nil {
					t.Error(err)
				}
				for key, value := range map[string]any{"a": 1, "b": json.RawMessage(`{ "x": 1.0 }`)} {
					if err := s.Set(r.Context(), key, value); err != nil {
						t.Error(err)
					}
				}
				if err := s.Delete(r.Context(), "a"); err != nil {
					t.Error(err)
				}
				if vs, err := s.Values(r.Context()); err != nil || len(vs) != 1 || string(vs["b"]) != `{ "x": 1.0 }` {
					t.Error(vs, err)
				}
			})
			if w.Code != http.StatusOK {
				t.Fatal(w.Code)
			}
		}
		if v.Value("b") != `{ "x": 1.0 }` || v.Value("a") != "" {
			t.Fatal(v.Value("a"), v.Value("b"))
		}
	})
	t.Run("values that no session can hold are refused", func(t *testing.T) {
		serve(c, c.Customer("42"), func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			for want, err := range map[error]error{
				client.ErrInvalid: s.Set(r.Context(), "a", make(chan int)),
				client.ErrLimit:   s.Set(r.Context(), strings.Repeat("k", 200), 1),
				client.ErrRefused: s.Set(r.Context(), "_auth_user_id", 1),
			} {
				if !errors.Is(err, want) {
					t.Errorf("want %v, got %v", want, err)
				}
			}
		})
	})
}

func TestSession_handoff(t *testing.T) {
	c := clienttest.New(t)
	first := func(r *http.Request, s *client.Session) error { return s.Set(r.Context(), "cart", 1) }

	for name, write := range map[string]func(http.ResponseWriter){
		"when the handler writes":       func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"when it sets a status":         func(w http.ResponseWriter) { w.WriteHeader(http.StatusSeeOther) },
		"when it writes nothing at all": func(http.ResponseWriter) {},
		"when it flushes":               func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"when it copies":                func(w http.ResponseWriter) { _, _ = io.Copy(w, bytes.NewBufferString("x")) },
		"after an early hint":           func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(http.StatusOK) },
	} {
		t.Run("a guest's first write reaches the edge "+name, func(t *testing.T) {
			server := httptest.NewServer(handler(c, func(w http.ResponseWriter, r *http.Request, s *client.Session) {
				if err := first(r, s); err != nil {
					t.Error(err)
				}
				write(w)
			}))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultTransport.RoundTrip(c.Guest().Sign(r))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if !strings.HasPrefix(resp.Header.Get("Crossfade-Session"), "handoff-") {
				t.Fatal(resp.Header)
			}
		})
	}
	t.Run("after the response has begun it is refused, and nothing is written", func(t *testing.T) {
		v := c.Guest()
		serve(c, v, func(w http.ResponseWriter, r *http.Request, s *client.Session) {
			_, _ = io.WriteString(w, "x")
			if err := first(r, s); !errors.Is(err, client.ErrTooLate) {
				t.Error(err)
			}
		})
		if v.Value("cart") != "" {
			t.Fatal("written")
		}
	})
	t.Run("later writes may come late", func(t *testing.T) {
		v := c.Customer("42")
		w := serve(c, v, func(w http.ResponseWriter, r *http.Request, s *client.Session) {
			_, _ = io.WriteString(w, "x")
			if err := first(r, s); err != nil {
				t.Error(err)
			}
		})
		if v.Value("cart") != "1" || w.Result().Header.Get("Crossfade-Session") != "" {
			t.Fatal(v.Value("cart"), w.Result().Header)
		}
	})
	t.Run("connections can be taken over", func(t *testing.T) {
		server := httptest.NewServer(handler(c, func(w http.ResponseWriter, _ *http.Request, _ *client.Session) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 299 Mine\r\nContent-Length: 0\r\n\r\n")
			_ = conn.Close()
		}))
		defer server.Close()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		r := c.Guest().Sign(httptest.NewRequest(http.MethodGet, "/", nil))
		if err := r.Write(conn); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		if err != nil || resp.StatusCode != 299 {
			t.Fatal(resp, err)
		}
	})
}

func TestUpdate(t *testing.T) {
	c := clienttest.New(t)
	add := func(n int) (int, error) { return n + 1, nil }

	t.Run("a request that was overtaken decides anew", func(t *testing.T) {
		v := c.Guest()
		for n, rival := range []func(){func() {}, func() { v.Put("n", 10) }} {
			serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
				if _, err := s.Values(r.Context()); err != nil {
					t.Error(err)
				}
				rival()
				if err := client.Update(r.Context(), s, "n", add); err != nil {
					t.Error(n, err)
				}
			})
		}
		if v.Value("n") != "11" {
			t.Fatal(v.Value("n"))
		}
	})
	t.Run("so does a guest's first write", func(t *testing.T) {
		v := c.Guest()
		serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			v.Put("n", 10) // another tab
			if err := client.Update(r.Context(), s, "n", add); err != nil {
				t.Error(err)
			}
		})
		if v.Value("n") != "11" {
			t.Fatal(v.Value("n"))
		}
	})
	t.Run("the same key twice in one request", func(t *testing.T) {
		v := c.Customer("42")
		serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			for range 3 {
				if err := client.Update(r.Context(), s, "n", add); err != nil {
					t.Error(err)
				}
			}
			if err := s.Delete(r.Context(), "n"); err != nil {
				t.Error(err)
			}
			if err := client.Update(r.Context(), s, "n", add); err != nil {
				t.Error(err)
			}
		})
		if v.Value("n") != "1" {
			t.Fatal(v.Value("n"))
		}
	})
	t.Run("the rule's error stops it", func(t *testing.T) {
		full := errors.New("the cart is full")
		serve(c, c.Customer("42"), func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			if err := client.Update(r.Context(), s, "n", func(int) (int, error) { return 0, full }); !errors.Is(err, full) {
				t.Error(err)
			}
		})
	})
}

func TestSession_End(t *testing.T) {
	c := clienttest.New(t)
	v := c.Customer("42")
	w := serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
		if err := s.End(r.Context(), "two\r\nlines"); !errors.Is(err, client.ErrInvalid) {
			t.Error(err)
		}
		if err := s.End(r.Context(), ""); err != nil {
			t.Error(err)
		}
		if err := s.Set(r.Context(), "a", 1); !errors.Is(err, client.ErrNotLive) {
			t.Error(err)
		}
		if vs, err := s.Values(r.Context()); err != nil || len(vs) != 0 {
			t.Error(vs, err)
		}
	})
	if got := w.Result().Header.Get("Crossfade-Session-End"); got != "logout" {
		t.Fatalf("header %q", got)
	}
	serve(c, v, func(_ http.ResponseWriter, _ *http.Request, s *client.Session) {
		if s.Exists() {
			t.Error("still there")
		}
	})
}

func TestSession_Rotate(t *testing.T) {
	c := clienttest.New(t)
	w := serve(c, c.Customer("42"), func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
		if err := s.Rotate(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if w.Result().Header.Get("Crossfade-Session") == "" {
		t.Fatal("the browser gets no new token")
	}
}

func TestSession_down(t *testing.T) {
	c := clienttest.New(t)
	v := c.Customer("42")
	serve(c, v, func(http.ResponseWriter, *http.Request, *client.Session) {}) // fetches the keys
	c.Down(true)
	before := c.Calls()
	w := serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
		if s.Subject() != "42" {
			t.Error("nobody")
		}
		for range 5 {
			if _, err := s.Get(r.Context(), "cart", new(int)); !errors.Is(err, client.ErrUnavailable) {
				t.Error(err)
			}
		}
		if n := c.Calls() - before; n != 1 {
			t.Errorf("%d calls", n)
		}
		if err := s.Set(r.Context(), "cart", 1); !errors.Is(err, client.ErrUnavailable) {
			t.Error(err)
		}
		if err := s.End(r.Context(), "logout"); !errors.Is(err, client.ErrUnavailable) {
			t.Error(err)
		}
		c.Down(false)
		s.Refresh()
		if _, err := s.Get(r.Context(), "cart", new(int)); err != nil {
			t.Error(err)
		}
	})
	if w.Result().Header.Get("Crossfade-Session-End") != "" {
		t.Fatal("deletes the cookies of a session that lives on")
	}
	t.Run("a caller that leaves spoils nothing", func(t *testing.T) {
		serve(c, v, func(_ http.ResponseWriter, r *http.Request, s *client.Session) {
			gone, cancel := context.WithCancel(r.Context())
			cancel()
			if _, err := s.Get(gone, "cart", new(int)); err == nil {
				t.Error("read without asking")
			}
			if _, err := s.Get(r.Context(), "cart", new(int)); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestNew_refuses(t *testing.T) {
	for name, cfg := range map[string]client.Config{
		"API":    {Name: "a", Secret: "b"},
		"Name":   {API: "http://a", Secret: "b"},
		"Secret": {API: "http://a", Name: "b"},
	} {
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkMiddleware(b *testing.B) {
	c := clienttest.New(b)
	h := c.Client.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := c.Customer("42").Sign(httptest.NewRequest(http.MethodGet, "/", nil))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
