package edge_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/session"
)

// serve puts a real server behind the edge as the new service, and the edge behind another.
func serve(t *testing.T, app http.HandlerFunc, tweak ...func(*edge.Config)) (*site, *httptest.Server) {
	t.Helper()
	upstream := httptest.NewServer(app)
	t.Cleanup(upstream.Close)
	s := open(t, append([]func(*edge.Config){func(c *edge.Config) {
		c.Upstreams[1].URL = must(url.Parse(upstream.URL))
		c.Upstreams[1].ResponseTimeout = 2 * time.Second
	}}, tweak...)...)
	s.start()
	front := httptest.NewUnstartedServer(s.edge)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	return s, front
}

// client reaches the edge over HTTP/1.1 unless told otherwise.
func client(front *httptest.Server, http2 bool) *http.Client {
	tr := front.Client().Transport.(*http.Transport).Clone()
	if !http2 {
		tr.ForceAttemptHTTP2 = false
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	tr.DisableCompression = true
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// member is a browser that is logged in on new.
func member(s *site) *browser {
	b := s.browser()
	b.cookies[cookieLegacy] = s.legacy.add("ann", session.VisitorID{})
	b.send("GET", "/_crossfade/handshake")
	b.do("GET", "/_crossfade/handshake")
	return b
}

func (b *browser) request(t *testing.T, method, target string, body io.Reader) *http.Request {
	r := must(http.NewRequestWithContext(t.Context(), method, target, body))
	r.Host = b.config.Public.Host
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	r.Header.Set("Origin", "https://shop.example")
	return r
}

func TestProxy_WebSocket(t *testing.T) {
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, text, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if c.Write(r.Context(), kind, append([]byte("echo "), text...)) != nil {
				return
			}
		}
	})
	b := member(s)
	dial := func(t *testing.T) *websocket.Conn {
		t.Helper()
		c, res, err := websocket.Dial(t.Context(), front.URL+"/socket", &websocket.DialOptions{
			HTTPClient: client(front, false), HTTPHeader: b.request(t, "GET", front.URL, nil).Header, Host: s.config.Public.Host,
		})
		if err != nil {
			t.Fatalf("%v: %v", err, res)
		}
		return c
	}
	c := dial(t)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, text, err := c.Read(t.Context()); err != nil || string(text) != "echo hello" {
		t.Fatalf("%q, %v", text, err)
	}
	t.Run("it closes within the bound of its session's end", func(t *testing.T) {
		s.edge.LookAtStreams()
		if s.edge.OpenStreams() != 1 {
			t.Fatalf("%d streams, want one that goes on", s.edge.OpenStreams())
		}
		id := s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.ID
		if _, err := s.sessions.End(t.Context(), session.End{ID: id, Reason: "logout"}); err != nil {
			t.Fatal(err)
		}
		s.edge.LookAtStreams()
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Error("it goes on")
		}
	})
	t.Run("and when the kill switch takes its visitor away", func(t *testing.T) {
		b = member(s)
		c := dial(t)
		s.kill()
		s.edge.LookAtStreams()
		if _, _, err := c.Read(t.Context()); err == nil {
			t.Error("it goes on")
		}
	})
}

func TestProxy_ServerSentEvents(t *testing.T) {
	proceed := make(chan struct{})
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		http.NewResponseController(w).Flush()
		select {
		case <-proceed:
			fmt.Fprint(w, "data: two\n\n")
			http.NewResponseController(w).Flush()
		case <-r.Context().Done():
		}
		<-r.Context().Done()
	})
	b := member(s)
	res, err := client(front, true).Do(b.request(t, "GET", front.URL+"/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	events := bufio.NewReader(res.Body)
	if line := must(events.ReadString('\n')); line != "data: one\n" {
		t.Errorf("first event %q", line)
	}
	close(proceed)
	_ = must(events.ReadString('\n'))
	if line := must(events.ReadString('\n')); line != "data: two\n" {
		t.Errorf("second event %q", line)
	}
	id := s.sessions.Resolve(t.Context(), b.cookies[cookieSession]).Session.ID
	if _, err := s.sessions.End(t.Context(), session.End{ID: id, Reason: "logout"}); err != nil {
		t.Fatal(err)
	}
	s.edge.LookAtStreams()
	if rest, err := io.ReadAll(events); err == nil && len(rest) > 1 {
		t.Errorf("the stream goes on: %q", rest)
	}
}

func TestProxy_Streaming(t *testing.T) {
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "Checksum, Crossfade-Session")
		w.Header().Add("X-Proto", r.Proto)
		body := bufio.NewReader(r.Body)
		for {
			line, err := body.ReadString('\n')
			if err != nil {
				break
			}
			fmt.Fprintf(w, "got %s", line)
			http.NewResponseController(w).Flush()
		}
		w.Header().Set("Checksum", "abc")
		w.Header().Set("Crossfade-Session", "forged")
		w.Header().Set(http.TrailerPrefix+"Crossfade-Session-End", "forged")
		w.Header().Set(http.TrailerPrefix+"Late", r.Trailer.Get("Sum")+r.Trailer.Get("Crossfade-Context"))
	})
	b := member(s)
	for _, http2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[http2], func(t *testing.T) {
			read, write := io.Pipe()
			r := b.request(t, "POST", front.URL+"/", read)
			r.Trailer = http.Header{"Sum": nil, "Crossfade-Context": nil}
			go func() {
				_, _ = io.WriteString(write, "one\n")
			}()
			res, err := client(front, http2).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(res.Body)
			if line := must(lines.ReadString('\n')); line != "got one\n" {
				t.Errorf("answered %q before the body was complete", line)
			}
			r.Trailer.Set("Sum", "42")
			r.Trailer.Set("Crossfade-Context", "forged")
			_, _ = io.WriteString(write, "two\n")
			_ = write.Close()
			if rest := readAll(lines); rest != "got two\n" {
				t.Errorf("then %q", rest)
			}
			if res.Trailer.Get("Checksum") != "abc" || res.Trailer.Get("Late") != "42" {
				t.Errorf("trailers %v", res.Trailer)
			}
			for name := range res.Trailer {
				if edge.OwnHeader(name) {
					t.Errorf("trailer %s passes", name)
				}
			}
			if res.Proto != map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2] {
				t.Errorf("spoke %s", res.Proto)
			}
		})
	}
}

func TestProxy_Continue(t *testing.T) {
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("hint") {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.Header().Set("Set-Cookie", "early=1")
			w.Header().Set("Crossfade-Session", "early")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Set-Cookie")
			w.Header().Del("Crossfade-Session")
		}
		_, _ = io.Copy(w, r.Body)
	})
	b := member(s)
	t.Run("100-continue", func(t *testing.T) {
		continued := false
		r := b.request(t, "POST", front.URL+"/", strings.NewReader("body"))
		r.Header.Set("Expect", "100-continue")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: func() { continued = true }}))
		c := client(front, false)
		c.Transport.(*http.Transport).ExpectContinueTimeout = 5 * time.Second
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(res.Body); got != "body" || !continued {
			t.Errorf("%q, continued: %v", got, continued)
		}
	})
	t.Run("early hints pass without cookies and without our names", func(t *testing.T) {
		var hints textproto.MIMEHeader
		r := b.request(t, "GET", front.URL+"/?hint", nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = h
			return nil
		}}))
		res, err := client(front, false).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = readAll(res.Body)
		if hints.Get("Link") == "" || hints.Get("Set-Cookie") != "" || hints.Get("Crossfade-Session") != "" {
			t.Errorf("hints %v", hints)
		}
	})
}

func TestProxy_Failures(t *testing.T) {
	var calls atomic.Int64
	s, front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/break":
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		}
	})
	b := member(s)
	ask := func(t *testing.T, method, path string, headers ...string) (int, string) {
		t.Helper()
		r := b.request(t, method, front.URL+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := client(front, false).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := readAll(res.Body)
		if res.StatusCode >= 500 && !strings.Contains(text, res.Header.Get("Crossfade-Request")) {
			t.Errorf("the answer does not quote the request id: %s", text)
		}
		return res.StatusCode, text
	}
	t.Run("no answer in time", func(t *testing.T) {
		if status, text := ask(t, "GET", "/slow"); status != http.StatusGatewayTimeout || !strings.Contains(text, "upstream_timeout") {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("broken off", func(t *testing.T) {
		if status, text := ask(t, "GET", "/break", "Accept", "text/html"); status != http.StatusBadGateway || !strings.Contains(text, "<!doctype html>") {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("what may have changed something is never sent twice", func(t *testing.T) {
		_, _ = ask(t, "GET", "/") // leaves an idle connection, on which net/http would try again
		before := calls.Load()
		if status, _ := ask(t, "POST", "/break", "Idempotency-Key", "1"); status != http.StatusBadGateway {
			t.Errorf("%d", status)
		}
		if n := calls.Load() - before; n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		gone := must(net.Listen("tcp", "127.0.0.1:0"))
		_ = gone.Close()
		s.config.Upstreams[1].URL = must(url.Parse("http://" + gone.Addr().String()))
		s.build()
		if a := b.nav("/"); a.StatusCode != http.StatusServiceUnavailable || a.Response.Header.Get("Retry-After") == "" {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

// slowStore is a session plane whose answers never come.
type slowStore struct{ edge.Sessions }

func (slowStore) Resolve(ctx context.Context, _ string) session.Resolution {
	<-ctx.Done()
	return session.Resolution{Worth: session.WorthUnknown}
}

func (slowStore) Succession(ctx context.Context, _ string) (session.Succession, error) {
	<-ctx.Done()
	return session.Succession{}, errors.New("too late")
}

func TestEdge_Deadlines(t *testing.T) {
	s := open(t)
	b := member(started(s))
	s.wrap = func(inner edge.Sessions) edge.Sessions { return slowStore{inner} }
	s.build()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		b.nav("/").served(t, "django", "ann") // by the ticket
		if took := time.Since(begin); took != 500*time.Millisecond {
			t.Errorf("a store that hangs cost %v", took)
		}
		s.kill()
		begin = time.Now()
		b.clone().nav("/")
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("under kill it cost %v", took)
		}
	})
}

func started(s *site) *site { s.start(); return s }
