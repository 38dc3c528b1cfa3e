package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// newTransport reaches the upstream. The edge, the plain proxy and the bare one all get one like it, with
// the edge's own settings, so that they differ in nothing but what they do with a request.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ResponseHeaderTimeout: 60 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       75 * time.Second,
		MaxIdleConnsPerHost:   128,
		DisableCompression:    true,
		WriteBufferSize:       8 << 10,
		ReadBufferSize:        8 << 10,
	}
}

// buffers are the copy buffers of both proxies, as the edge has them.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

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

// newBare is net/http's proxy and nothing else.
func newBare(upstream *url.URL, transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
		},
		Transport: transport, BufferPool: new(buffers),
	}
}

// newPlain is what the edge would be without sessions: it says who the client is, gives the request an id,
// and lets no Crossfade-* header through in either direction. It looks at no cookie, decides nothing and
// signs nothing, so that everything that the edge is slower by is the price of its session check.
func newPlain(upstream *url.URL, transport http.RoundTripper) http.Handler {
	var ids atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			stripOurs(r.Out.Header)
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
			r.Out.Host = r.In.Host
			r.SetXForwarded()
			r.Out.Header["Crossfade-Request"] = []string{strconv.FormatUint(ids.Add(1), 36)}
		},
		ModifyResponse: func(r *http.Response) error {
			stripOurs(r.Header)
			r.Header["Crossfade-Request"] = r.Request.Header["Crossfade-Request"]
			return nil
		},
		Transport: transport, BufferPool: new(buffers),
	}
}

func stripOurs(h http.Header) {
	for name := range h {
		if len(name) > len("crossfade") && strings.EqualFold(name[:len("crossfade")], "crossfade") {
			delete(h, name)
		}
	}
}
