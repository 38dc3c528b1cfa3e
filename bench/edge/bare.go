package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// newTransport reaches the upstream. The edge and the bare proxy both get one like it, with the edge's own
// settings, so that they differ in nothing but what they do with a request.
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

// buffers are the copy buffers, as the edge has them.
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
