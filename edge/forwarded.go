package edge

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// forwarded is what the upstream is told about the way that the request came.
type forwarded struct{ client, proto string }

// forwarded says who the client is and how it came. Only a proxy of ours is believed.
func (e *Edge) forwarded(r *http.Request) forwarded {
	f := forwarded{client: r.RemoteAddr, proto: "http"}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		f.client = host
	}
	if r.TLS != nil {
		f.proto = "https"
	}
	if !e.trusts(addressOf(f.client)) {
		return f
	}
	if earlier := strings.Join(r.Header["X-Forwarded-For"], ", "); earlier != "" {
		f.client = earlier + ", " + f.client
	}
	if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
		f.proto = proto
	}
	return f
}

// clientOf is the address that a request came from: the peer's, or behind proxies of ours the last one on the
// way that is none of theirs. What stands further left anybody could have written.
func (e *Edge) clientOf(way string) netip.Addr {
	var client netip.Addr
	for {
		at := strings.LastIndexByte(way, ',')
		next := addressOf(strings.TrimSpace(way[at+1:]))
		if !next.IsValid() {
			return client // a proxy of ours wrote something else: as far as it can be told
		}
		if client = next; at < 0 || !e.trusts(client) {
			return client
		}
		way = way[:at]
	}
}

// addressOf reads an address, with a port or without; the zero one: it is none.
func addressOf(text string) netip.Addr {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap()
	}
	ap, _ := netip.ParseAddrPort(text)
	return ap.Addr().Unmap()
}

// trusts reports whether an address is that of a proxy of ours.
func (e *Edge) trusts(addr netip.Addr) bool {
	for _, network := range e.cfg.TrustedProxies {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}
