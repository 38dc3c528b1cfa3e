package config

import (
	"net"
	"net/netip"
)

// Internal is the listener for services, operators and monitoring.
type Internal struct {
	// The address to listen on, host:port: session API, admin API, /.well-known/jwks.json, /metrics,
	// /healthz, /readyz. Bind it to an address that the public cannot reach. Default 127.0.0.1:8081.
	Listen string `yaml:"listen"`
	// Says that an address which is not loopback or private is meant. Metrics, health and the public keys
	// are readable there without a secret; the APIs always ask for one. Default false.
	Expose bool `yaml:"expose"`
}

func (i *Internal) defaults() { i.Listen = "127.0.0.1:8081" }

func (i *Internal) validate(k *check) {
	host, port, ok := k.listener("internal.listen", i.Listen)
	if !ok {
		return
	}
	if !i.Expose && !privateHost(host) {
		k.fail("internal.listen", "bind it to 127.0.0.1 or a private address; if a firewall guards it, add expose: true",
			"%q could be reached by strangers", i.Listen)
	}
	publicHost, publicPort, err := net.SplitHostPort(k.config.Public.Listen)
	if err == nil && port == publicPort && port != "0" && sameMachine(host, publicHost) {
		k.fail("internal.listen", "give it a port of its own", "is the public listener too")
	}
}

// privateHost reports whether an address is one that the internet does not route. A name or the empty
// host may be anything.
func privateHost(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast())
}

// sameMachine reports whether a listener on one host takes what is sent to the other.
func sameMachine(a, b string) bool {
	return a == b || everyAddress(a) || everyAddress(b) || localName(a) && localName(b)
}

func everyAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}
