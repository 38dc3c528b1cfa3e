package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// upstream is one application behind the edge, with its connections.
type upstream struct {
	name, audience string
	scheme, host   string
	trusted        bool
	legacy         bool // the only one that is sent legacy session keys
	transport      http.RoundTripper
}

func newUpstream(u Upstream, legacy bool, override func(Upstream) http.RoundTripper) *upstream {
	out := &upstream{name: u.Name, audience: u.Audience, scheme: u.URL.Scheme, host: u.URL.Host, trusted: u.Trusted, legacy: legacy}
	if out.audience == "" {
		out.audience = u.Name
	}
	if override != nil {
		out.transport = override(u)
	}
	if out.transport == nil {
		out.transport = newTransport(u)
	}
	return out
}

// newTransport reaches one upstream. Bodies pass as they are, so nothing is unpacked on the way; there is
// no limit on their time, so that streams live; and no proxy is taken from the environment.
func newTransport(u Upstream) *http.Transport {
	or := func(d, v time.Duration) time.Duration {
		if d == 0 {
			return v
		}
		return d
	}
	idle := u.IdleConnections
	if idle == 0 {
		idle = 128
	}
	connect := or(u.ConnectTimeout, 2*time.Second)
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   connect,
		ResponseHeaderTimeout: or(u.ResponseTimeout, 60*time.Second),
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       75 * time.Second, // less than the usual keep-alive of application servers behind a balancer
		MaxIdleConns:          0,
		MaxIdleConnsPerHost:   idle,
		DisableCompression:    true,
		ForceAttemptHTTP2:     u.URL.Scheme == "https",
		WriteBufferSize:       8 << 10,
		ReadBufferSize:        8 << 10,
	}
}

func (u *upstream) close() {
	if t, ok := u.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// buffers lends the copy buffers. An array behind a pointer goes into the pool without an allocation.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

var _ httputil.BufferPool = (*buffers)(nil)

func (b *buffers) Get() []byte {
	if array, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return array[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(s []byte) {
	if len(s) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(s))
	}
}

// unrepeatable is an empty body that net/http's transport cannot rewind, so that it never sends a request
// a second time that may have changed something, whatever the client's Idempotency-Key promises.
type unrepeatable struct{}

func (unrepeatable) Read([]byte) (int, error) { return 0, io.EOF }
func (unrepeatable) Close() error             { return nil }

// failure is the answer for an upstream that gave none.
func failure(err error) *denial {
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return &denial{status: http.StatusGatewayTimeout, code: "upstream_timeout", title: "This takes too long", text: "The page did not answer in time. Please try again in a moment."}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &denial{status: http.StatusServiceUnavailable, code: "upstream_down", title: "We'll be right back", text: "This part of the site is not running just now. Please try again in a moment."}
	}
	return &denial{status: http.StatusBadGateway, code: "upstream_failed", title: "Something went wrong on our side", text: "The page broke off before it could answer. Please try again."}
}
