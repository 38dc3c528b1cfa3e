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

	mu       sync.Mutex // of reading and closing, which happen on different goroutines
	over     bool
	stalled  bool
	overfull bool // it passed the limit on its size
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
	case tooLarge(err):
		b.overfull = true // Close still has something to read
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

// gaveUp reports whether the body stalled, or was too large. It waits for a read that is on its way: net/http
// cancels the request's context on every error of a read, and that may be heard of before the error itself.
func (b *bodyGuard) gaveUp() (stalled, overfull bool) {
	if b == nil {
		return false, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stalled, b.overfull
}

// Connections that know no deadlines, those of tests, are not guarded.
func (b *bodyGuard) arm() { _ = b.control.SetReadDeadline(time.Now().Add(b.limit)) }

func (b *bodyGuard) disarm() {
	b.over = true
	_ = b.control.SetReadDeadline(time.Time{})
}

// guardBody puts the guard in front of a body that will be proxied. A WebSocket begins without one, and a wish
// for it, which anybody can write, is no way around the guard.
func (t *trip) guardBody() {
	if t.body != nil || t.r.ContentLength == 0 || t.r.Body == nil {
		return
	}
	body := t.r.Body
	if most := t.route.MaxBody; most > 0 && t.r.ContentLength < 0 {
		// The server's own reader: it is told as well, and ends the connection in good order.
		body = http.MaxBytesReader(t.ResponseWriter, body, most)
	}
	t.body = &bodyGuard{ReadCloser: body, control: http.NewResponseController(t.ResponseWriter), limit: t.e.cfg.Handover.BodyStall}
	t.r.Body = t.body
}

// abandonBody bounds the time that net/http takes over a body that nobody will read: it looks for its end,
// up to a limit, so that the connection can be used again. A client that sends nothing would hold it for ever.
func (t *trip) abandonBody() {
	if t.r.ContentLength != 0 && t.body == nil {
		_ = http.NewResponseController(t.ResponseWriter).SetReadDeadline(time.Now().Add(t.e.cfg.Handover.BodyStall))
	}
}

// rightSize refuses a body that is announced to be too large before anything is done for it. The others are
// measured while they pass.
func (t *trip) rightSize() bool {
	if most := t.route.MaxBody; most <= 0 || t.r.ContentLength <= most {
		return true
	}
	t.overfull()
	return false
}

func (t *trip) overfull() {
	t.count(CountTooLarge)
	if t.e.oversized.due(t.e.deps.Clock()) {
		t.e.deps.Log.Warn("a request body was refused: it is larger than the site allows", "request", t.id, "method", t.r.Method,
			"route", t.route.Path, "announced", t.r.ContentLength, "limit", t.route.MaxBody,
			"hint", "if visitors upload such things there, give the route a max_body of its own, or raise public.max_body")
	}
	t.Header().Set("Connection", "close") // what is left of the body would pass for the next request
	t.refuse(&denial{
		status: http.StatusRequestEntityTooLarge, code: "too_large", title: "That was too much at once",
		text: "What you sent is larger than this site accepts.",
	})
}

func tooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

func stalled() *denial {
	return &denial{
		status: http.StatusRequestTimeout, code: "request_stalled", title: "What you sent did not arrive",
		text: "The connection broke off on the way. Please try again.",
	}
}
