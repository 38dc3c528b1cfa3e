// Package httpbridge speaks the bridge protocol to the endpoints that the framework's client package
// adds to a legacy application.
//
// Invariant: a call goes out under one operation id however often it is sent, each sending has a nonce
// of its own, and session data passes through byte for byte. The edge and the session plane's outbox
// call it as a [legacy.Bridge].
package httpbridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
)

const (
	// Path is where the endpoints live on the legacy upstream.
	Path = "/_crossfade/bridge/v1/"
	// DefaultTimeout bounds one call, a second attempt included.
	DefaultTimeout = 2 * time.Second
	// MaxBody is the protocol's limit for a body, both ways, in bytes.
	MaxBody = 1 << 20
	// MinSecret is the fewest bytes that a bridge secret may have.
	MinSecret = 32
)

// Config is what a bridge needs.
type Config struct {
	URL     string // of the legacy application, e.g. http://10.0.0.5:8000
	Host    string // Host header, when the application insists on its public name; empty: as in URL
	KeyID   int
	Secret  []byte        // MinSecret bytes or more, the same on both sides
	Timeout time.Duration // 0: DefaultTimeout; an earlier deadline of the caller's counts
	// Header is sent with every call, e.g. X-Forwarded-Proto: https for an application that redirects
	// plain HTTP.
	Header  http.Header
	Breaker Breaker
	// Transport carries the calls; nil: one of its own that keeps connections open.
	Transport http.RoundTripper
	Clock     func() time.Time
	Rand      io.Reader         // of nonces; crypto/rand.Reader
	Observe   func(Observation) // called once per call; nil: not at all
}

// Observation is one finished call, for metrics.
type Observation struct {
	Method   string // inspect, exchange, restore, end
	Outcome  string // ok, or the fault's code
	Duration time.Duration
	Attempts int  // 0: the breaker was open
	Shed     bool // not sent, because the breaker was open
}

// Bridge is a [legacy.Bridge] over HTTP. It is safe for concurrent use.
type Bridge struct {
	cfg     Config
	base    *url.URL
	client  *http.Client
	breaker *breaker
}

var _ legacy.Bridge = (*Bridge)(nil)

// New checks the configuration and makes a bridge. It makes no request.
func New(cfg Config) (*Bridge, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fault.New(fault.Invalid, "bridge url %q is not an http or https address", cfg.URL).
			WithHint("write it like http://10.0.0.5:8000")
	}
	if base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, fault.New(fault.Invalid, "bridge url %q has more than scheme, host and path", base.Redacted())
	}
	if len(cfg.Secret) < MinSecret {
		return nil, fault.New(fault.Invalid, "the bridge secret has %d bytes, needs %d or more", len(cfg.Secret), MinSecret).
			WithHint("make one with: openssl rand -hex 32")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return &Bridge{cfg: cfg, base: base, breaker: newBreaker(cfg.Breaker), client: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// newTransport ignores the proxy variables of the environment: the bridge is an internal address and
// its calls carry whole sessions.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    time.Second,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 16 << 10,
	}
}

// Close gives the idle connections back.
func (b *Bridge) Close() { b.client.CloseIdleConnections() }

// call sends one body to an endpoint and gives the body of a 200 answer.
func (b *Bridge) call(ctx context.Context, method string, body []byte) ([]byte, error) {
	if len(body) > MaxBody {
		return nil, fault.New(fault.Exhausted, "the session is too large for the bridge: %d bytes of %d", len(body), MaxBody)
	}
	start := b.cfg.Clock()
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	ok, wait := b.breaker.allow(start)
	if !ok {
		b.cfg.Observe(Observation{Method: method, Outcome: string(fault.Unavailable), Shed: true})
		return nil, fault.New(fault.Unavailable, "the legacy system did not answer lately; not asked again for %s", wait.Round(time.Millisecond)).
			WithHint("check that the legacy application is up: %s", b.base.Redacted())
	}
	answer, attempts, err := b.attempts(ctx, method, body)
	b.settle(ctx, err)
	b.cfg.Observe(Observation{
		Method: method, Outcome: outcome(err), Duration: b.cfg.Clock().Sub(start), Attempts: attempts,
	})
	return answer, err
}

func (b *Bridge) settle(ctx context.Context, err error) {
	if context.Cause(ctx) == context.Canceled && err != nil {
		b.breaker.forget() // the caller left; legacy did nothing wrong
		return
	}
	b.breaker.done(b.cfg.Clock(), fault.CodeOf(err) == fault.Unavailable)
}

// attempts sends the call, and once more with a new nonce if the connection failed or the nonce was
// used: the operation id in the body makes the second sending harmless.
func (b *Bridge) attempts(ctx context.Context, method string, body []byte) (answer []byte, n int, err error) {
	for n = 1; ; n++ {
		var again bool
		answer, again, err = b.send(ctx, method, body)
		if err == nil || !again || n == 2 || ctx.Err() != nil {
			return answer, n, err
		}
	}
}

// send is one request. again says that the failure was the connection's and not legacy's answer.
func (b *Bridge) send(ctx context.Context, method string, body []byte) (answer []byte, again bool, err error) {
	req, err := b.request(ctx, method, body)
	if err != nil {
		return nil, false, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, true, b.unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return nil, true, b.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		again, err = b.refused(resp, answer)
		return nil, again, err
	}
	if len(answer) > MaxBody {
		return nil, false, fault.New(fault.Exhausted, "the legacy system's answer is larger than %d bytes", MaxBody)
	}
	return answer, false, nil
}

func (b *Bridge) request(ctx context.Context, method string, body []byte) (*http.Request, error) {
	target := *b.base
	target.Path += Path + method
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), newBody(body))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "make bridge request")
	}
	nonce, err := b.nonce()
	if err != nil {
		return nil, err
	}
	now := b.cfg.Clock()
	for name, values := range b.cfg.Header {
		req.Header[name] = values
	}
	req.Host = b.cfg.Host
	req.ContentLength = int64(len(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "crossfade-bridge")
	req.Header.Set(HeaderKey, strconv.Itoa(b.cfg.KeyID))
	req.Header.Set(HeaderTime, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(HeaderNonce, nonce)
	req.Header.Set(HeaderSignature, Signature(b.cfg.Secret, http.MethodPost, target.EscapedPath(), now, nonce, body))
	return req, nil
}

func (b *Bridge) nonce() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(b.cfg.Rand, raw[:]); err != nil {
		return "", fault.Wrap(err, fault.Internal, "no randomness for a nonce")
	}
	return fmt.Sprintf("%x", raw), nil
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return string(fault.CodeOf(err))
}
