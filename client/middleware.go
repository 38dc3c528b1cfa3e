package client

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
)

// The response headers that tell the edge what to do with the browser's cookies.
const (
	headerSession = "Crossfade-Session"
	headerEnd     = "Crossfade-Session-End"
)

// Middleware verifies the context of each request and makes its session available to [SessionFrom].
// Requests without a good context are refused with 403, and with 503 while the keys to verify it cannot
// be fetched.
func (c *Client) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, claims, ok := c.admit(w, r)
		if !ok {
			return
		}
		out := &response{ResponseWriter: w}
		s := &Session{client: c, token: token, claims: claims, out: out}
		next.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
		out.begin() // a handler that wrote nothing still answers with its headers
	})
}

// admit gives the verified context, or answers the request itself.
func (c *Client) admit(w http.ResponseWriter, r *http.Request) (string, *contextjwt.Claims, bool) {
	tokens := r.Header.Values(contextjwt.Header)
	switch {
	case len(tokens) == 0 && c.cfg.AllowWithoutContext:
		return "", &contextjwt.Claims{}, true
	case len(tokens) != 1:
		c.cfg.Log.WarnContext(r.Context(), "request without a context", "path", r.URL.Path, "contexts", len(tokens))
		http.Error(w, "this service is reached through the Crossfade edge", http.StatusForbidden)
		return "", nil, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.Timeout)
	defer cancel()
	claims, err := c.verifier.Verify(ctx, tokens[0], c.cfg.Name)
	if err == nil {
		return tokens[0], claims, true
	}
	message, hint := fault.Public(err)
	c.cfg.Log.WarnContext(r.Context(), "context refused", "path", r.URL.Path, "error", err.Error(), "hint", hint)
	if fault.CodeOf(err) == fault.Unavailable {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the session service cannot be reached yet", http.StatusServiceUnavailable)
		return "", nil, false
	}
	http.Error(w, message, http.StatusForbidden)
	return "", nil, false
}

type sessionKey struct{}

// SessionFrom gives the session of the request that a context belongs to. Outside of the middleware it
// is a visitor without a session. It is never nil.
func SessionFrom(ctx context.Context) *Session {
	if s, ok := ctx.Value(sessionKey{}).(*Session); ok {
		return s
	}
	return &Session{claims: &contextjwt.Claims{}, out: &response{}}
}

// response adds what the session plane wants to tell the edge, at the last moment before the headers
// leave: a handler may change its session on another goroutine than the one that writes.
type response struct {
	http.ResponseWriter

	mu      sync.Mutex
	begun   bool
	handoff string
	ended   string
}

// begin adds the headers, once.
func (w *response) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return
	}
	w.begun = true
	switch {
	case w.ended != "":
		w.Header().Set(headerEnd, w.ended)
	case w.handoff != "":
		w.Header().Set(headerSession, w.handoff)
	}
}

// hand keeps a handoff for the response; false if that has begun without one.
func (w *response) hand(handoff string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return w.handoff != "" // the browser gets the same token with the one that was sent
	}
	w.handoff = handoff
	return true
}

func (w *response) end(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = reason
}

func (w *response) hasBegun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun
}

func (w *response) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols { // others are followed by the real one
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps the way open for sendfile.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what [http.ResponseController] calls.
func (w *response) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets [http.ResponseController] reach what this type does not know.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
