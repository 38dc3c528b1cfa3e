package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
)

// Middleware verifies the context of each request and makes its session available to [SessionFromContext].
// Requests without a good context are refused with 403, and with 503 while the keys to verify it cannot
// be fetched. It serves Connect handlers too, which are http.Handlers; for gRPC there is package clientgrpc.
func (c *Client) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, reply, ok := c.admit(w, r)
		if !ok {
			return
		}
		out := &response{ResponseWriter: w, reply: reply}
		next.ServeHTTP(out, r.WithContext(ctx))
		out.begin() // a handler that wrote nothing still answers with its headers
	})
}

// admit gives the request's context with its session in it, or answers the request itself.
func (c *Client) admit(w http.ResponseWriter, r *http.Request) (context.Context, *Reply, bool) {
	ctx, reply, err := c.Open(r.Context(), r.Header.Values(contextjwt.Header))
	if err == nil {
		return ctx, reply, true
	}
	c.cfg.Log.WarnContext(r.Context(), "request refused", "path", r.URL.Path, "error", err.Error())
	if errors.Is(err, ErrUnavailable) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the session service cannot be reached yet", http.StatusServiceUnavailable)
		return nil, nil, false
	}
	message := "this service is reached through the Crossfade edge"
	if fault.CodeOf(err) == fault.Unauthenticated {
		message, _ = fault.Public(err)
	}
	http.Error(w, message, http.StatusForbidden)
	return nil, nil, false
}

// response adds what the session plane wants to tell the edge, at the last moment before the headers
// leave: a handler may change its session on another goroutine than the one that writes.
type response struct {
	http.ResponseWriter
	reply *Reply
}

func (w *response) begin() {
	if header, value := w.reply.Begin(); header != "" {
		w.Header().Set(header, value)
	}
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
