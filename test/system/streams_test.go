package system_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestStreams(t *testing.T) {
	for _, system := range []string{"monolith", "shop"} {
		s := start(t)
		if system == "shop" {
			s = startNew(t)
		}
		v := s.visitor()
		if text := v.get("/"); text != system {
			t.Fatal(text)
		}
		t.Run("a WebSocket passes to the "+system, func(t *testing.T) {
			c := v.socket(t)
			defer func() { _ = c.CloseNow() }()
			if c.Subprotocol() != "echo" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			for _, message := range []string{"one", strings.Repeat("long ", 5000)} {
				if got := echo(t, c, message); got != message {
					t.Errorf("%.20q came back as %.20q", message, got)
				}
			}
			if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		t.Run("events of the "+system+" arrive one by one", func(t *testing.T) {
			stream := v.events(t)
			defer func() { _ = stream.Close() }()
			if line, err := bufio.NewReader(stream).ReadString('\n'); line != "data: first\n" {
				t.Errorf("got %q, %v", line, err)
			}
		})
	}
}

func TestStreams_End(t *testing.T) {
	t.Run("a session that is ended takes its streams with it", func(t *testing.T) {
		s := startNew(t)
		v := s.visitor()
		v.get("/")
		_, err := v.send(http.MethodPost, "/count?to=1")
		must(t, err)
		id, _, _ := strings.Cut(v.get("/count"), " ")
		socket, stream := v.socket(t), v.events(t)
		if got := echo(t, socket, "still there"); got != "still there" {
			t.Error(got)
		}
		s.run("session", "end", id, "--reason", "stolen")
		ends(t, socket, stream)
	})
	t.Run("a kill takes the streams of the new system with it", func(t *testing.T) {
		s := startNew(t)
		v := s.visitor()
		v.get("/")
		_, err := v.send(http.MethodPost, "/count?to=1")
		must(t, err)
		socket, stream := v.socket(t), v.events(t)
		s.run("kill", "sessions", "--reason", "rehearsal")
		ends(t, socket, stream)
	})
}

// ends fails unless both streams are closed from the other side.
func ends(t *testing.T, socket *websocket.Conn, stream io.ReadCloser) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, message, err := socket.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket goes on: %q, %v", message, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, stream)
	}()
	receive(t, done)
	_ = stream.Close()
}

func (v *visitor) socket(t *testing.T) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, strings.Replace(v.home(), "http", "ws", 1)+"/socket", &websocket.DialOptions{
		HTTPClient: &http.Client{Jar: v.jar}, Subprotocols: []string{"echo"},
		HTTPHeader: http.Header{"Origin": {v.home()}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"websocket"}},
	})
	must(t, err)
	c.SetReadLimit(1 << 20)
	return c
}

func echo(t *testing.T, c *websocket.Conn, message string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, c.Write(ctx, websocket.MessageText, []byte(message)))
	_, got, err := c.Read(ctx)
	must(t, err)
	return string(got)
}

func (v *visitor) events(t *testing.T) io.ReadCloser {
	t.Helper()
	r, err := v.request(t.Context(), http.MethodGet, "/events")
	must(t, err)
	res, err := v.client.Do(r)
	must(t, err)
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	return res.Body
}
