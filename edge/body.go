package edge

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// bodyGuard gives up on a request body that stalls. An upload may take as long as it takes, but a client
// that sends nothing at all would hold a worker of the upstream for nothing.
//
// The deadline is the connection's, so it is set before every read, and taken away when nobody reads any
// more: net/http then waits on the same connection for the client to go away. After a stall it stays, or
// net/http would wait for the rest of the body itself.
type bodyGuard struct {
	io.ReadCloser
	control *http.ResponseController
	limit   time.Duration

	mu      sync.Mutex // of reading and closing, which happen on different goroutines
	over    bool
	stalled bool
}

func (b *bodyGuard) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return b.ReadCloser.Read(p) // its own error
	}
	b.arm()
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.over, b.stalled = true, true
	default:
		b.disarm()
	}
	return n, err
}

// Close lets net/http read what is left of the body, which it does up to a limit, so that is guarded too.
func (b *bodyGuard) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return b.ReadCloser.Close()
	}
	b.arm()
	err := b.ReadCloser.Close()
	b.disarm()
	return err
}

// gaveUp reports whether the body stalled. It waits for a read that is on its way: net/http cancels the
// request's context on every error of a read, and that may be heard of before the error itself.
func (b *bodyGuard) gaveUp() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stalled
}

// Connections that know no deadlines, those of tests, are not guarded.
func (b *bodyGuard) arm() { _ = b.control.SetReadDeadline(time.Now().Add(b.limit)) }

func (b *bodyGuard) disarm() {
	b.over = true
	_ = b.control.SetReadDeadline(time.Time{})
}

// guardBody puts the guard in front of a body that will be proxied. A connection that is to be upgraded
// has no body, and after that belongs to the upstream.
func (t *trip) guardBody() {
	if t.body != nil || t.r.ContentLength == 0 || t.r.Body == nil || isWebSocket(t.r.Header) {
		return
	}
	t.body = &bodyGuard{ReadCloser: t.r.Body, control: http.NewResponseController(t.ResponseWriter), limit: t.e.cfg.Handover.BodyStall}
	t.r.Body = t.body
}

func stalled() *denial {
	return &denial{
		status: http.StatusRequestTimeout, code: "request_stalled", title: "What you sent did not arrive",
		text: "The connection broke off on the way. Please try again.",
	}
}
