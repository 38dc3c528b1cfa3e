package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Public is where browsers reach the edge.
type Public struct {
	// The address to listen on, host:port. Default 127.0.0.1:8080, which only this machine reaches; in
	// production ":443" with tls, or the address that the load balancer in front calls.
	Listen string `yaml:"listen"`
	// The address that browsers see, scheme and host, without a path. It decides whether cookies are Secure
	// and carry the __Host- prefix, and which Origin counts as the site's own. Must be https, except for
	// localhost while developing. Default http://localhost:8080.
	URL string `yaml:"url"`
	// Other names that the site has, as the browser sends them: shop.example.com, shop.example.com:8443, or
	// "*.example.com" for every name with one label more, as in certificates. A name without a port stands for the
	// default port of url's scheme. A request for a host that is neither url's nor one of these is refused with
	// 421 and reaches no upstream: applications make links of the name, password resets above all. While url is
	// on localhost, every name of this machine (localhost, *.localhost, 127.0.0.1, [::1]) counts, with any
	// port. A proxy in front must pass on the Host that the browser sent. Health checks, which ask by address, belong on
	// the internal listener's /healthz; one that can only ask here needs its address in this list. Cookies
	// belong to one name, so a visitor has a session of her own under each. Default: none.
	Hosts []string `yaml:"hosts"`
	// The largest request body: a number of bytes, or with a unit like 512KiB, 32MiB, 1GiB (1024 each) or 32MB
	// (1000 each). A larger one is answered 413: at once when its length is announced, otherwise as soon as it
	// is over. Bodies pass through without being kept, so this protects the applications, not the edge; a route may
	// have a limit of its own. WebSockets and responses have none. Default 32MiB: a few photographs of a
	// phone fit, and one client alone fills no disk; 0: no limit.
	MaxBody Size `yaml:"max_body"`
	// How long a request body may bring nothing before it is given up with 408, so that a client that sends
	// nothing holds no worker of an application. An upload that goes on, however slowly, is never cut. Default 10s.
	BodyStall Duration `yaml:"body_stall"`
	// The certificate, when Crossfade itself ends TLS. Without it a proxy in front must.
	TLS TLS `yaml:"tls"`
	// Addresses or networks (10.0.0.0/8) of the proxies in front. Only their X-Forwarded-For and
	// X-Forwarded-Proto are believed. Default: none, so the peer's address is the client's.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// How long a request that is under way may take when the process stops or is replaced. Streams and
	// WebSockets are closed when it is over. Default 20s.
	Drain Duration `yaml:"drain"`
	// How long a browser may take to send its request headers. Default 10s.
	HeaderTimeout Duration `yaml:"header_timeout"`
	// How long an idle connection is kept open. Longer than the load balancer's own, so that it never uses
	// one that was just closed. Default 90s.
	IdleTimeout Duration `yaml:"idle_timeout"`
	// The largest request header in bytes, cookies included. Default 65536.
	MaxHeaderBytes int `yaml:"max_header_bytes"`
}

// TLS is a certificate and its key.
type TLS struct {
	// File with the certificate and its chain, PEM. Read again when the configuration is reloaded.
	Certificate string `yaml:"certificate"`
	// File with the private key, PEM.
	Key string `yaml:"key"`
}

func (p *Public) defaults() {
	p.Listen = "127.0.0.1:8080"
	p.URL = "http://localhost:8080"
	p.Drain = seconds(20)
	p.HeaderTimeout = seconds(10)
	p.IdleTimeout = seconds(90)
	p.MaxHeaderBytes = 64 << 10
	p.MaxBody, p.BodyStall = 32<<20, seconds(10)
}

func (p *Public) validate(k *check) {
	k.listener("public.listen", p.Listen)
	p.validateURL(k)
	p.validateHosts(k)
	if (p.TLS.Certificate == "") != (p.TLS.Key == "") {
		k.fail("public.tls", "give both certificate and key, or leave tls out", "has only one half")
	}
	for i, text := range p.TrustedProxies {
		p.validateProxy(k, item("public.trusted_proxies", i), text)
	}
	k.within("public.drain", p.Drain, seconds(1), seconds(600))
	k.within("public.header_timeout", p.HeaderTimeout, seconds(1), seconds(120))
	k.within("public.idle_timeout", p.IdleTimeout, seconds(1), seconds(3600))
	k.within("public.body_stall", p.BodyStall, seconds(1), seconds(600))
	k.size("public.max_body", p.MaxBody)
	k.between("public.max_header_bytes", p.MaxHeaderBytes, 4<<10, 1<<20)
}

func (p *Public) validateURL(k *check) {
	const path, hint = "public.url", "write it like https://shop.example.com"
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		k.fail(path, hint, "%q is not the address of a site", p.URL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		k.fail(path, hint, "must be scheme and host alone")
	case strings.Contains(u.Host, "*"):
		k.fail(path, "name the one that links should lead to, and the others in public.hosts", "must name one host")
	case !ascii(u.Host):
		k.fail(path, "write it as browsers send it, beginning with xn--", "%q holds letters that no Host header has", u.Host)
	case u.Scheme == "http" && !localName(u.Hostname()):
		k.fail(path, "browsers must see https here, even if a proxy in front of Crossfade ends TLS; plain http is for localhost alone",
			"session cookies would travel unencrypted to %s", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		k.fail(path, hint, "%q is not http or https", u.Scheme)
	}
}

// validateHosts takes names that a browser can send, each once.
func (p *Public) validateHosts(k *check) {
	for i, text := range p.Hosts {
		path := item("public.hosts", i)
		switch reason, hint := hostProblem(text); {
		case reason != "":
			k.fail(path, hint, "%q %s", text, reason)
		case slices.ContainsFunc(p.Hosts[:i], func(other string) bool { return strings.EqualFold(other, text) }):
			k.fail(path, "leave it out", "%q is given twice", text)
		}
	}
}

// hostProblem says what is wrong with the name of a host; empty: nothing.
func hostProblem(text string) (reason, hint string) {
	const form = "write it like shop.example.com, shop.example.com:8443 or *.example.com"
	name, wild := strings.CutPrefix(text, "*.")
	u, err := url.Parse("//" + name)
	switch {
	case strings.Contains(text, "://"):
		return "is an address", "write the host alone, without the scheme"
	case !ascii(text):
		return "holds letters that no Host header has", "write it as browsers send it, beginning with xn--"
	case strings.Contains(name, "*"):
		return "has a * where none can be", "only a whole first label can be a wildcard: *.example.com"
	case err != nil || u.Host != name || u.Hostname() == "" || strings.HasSuffix(name, ":"):
		return "is not a host", form
	case strings.ContainsFunc(strings.Trim(u.Hostname(), "."), notInHost) && !strings.HasPrefix(name, "["):
		return "is not a host", form
	case strings.HasPrefix(name, ".") || strings.Contains(name, "..") || strings.HasSuffix(u.Hostname(), "."):
		return "begins or ends with a dot, or has two in a row", form
	case wild && !strings.Contains(u.Hostname(), ".") && u.Hostname() != "localhost":
		return "would take every site of a top-level domain", "write *.example.com"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "has no port that there is", form
		}
	}
	return "", ""
}

func notInHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (p *Public) validateProxy(k *check, path, text string) {
	prefix, err := ParseNetwork(text)
	switch {
	case err != nil:
		k.fail(path, "write 10.1.2.3 or 10.0.0.0/8", "%q is not an address or network", text)
	case prefix.Bits() == 0:
		k.fail(path, "name the networks of the proxies in front", "believing everybody lets every visitor choose the address that is logged and limited")
	}
}

// Secure reports whether browsers reach the site by https.
func (p *Public) Secure() bool { return strings.HasPrefix(p.URL, "https://") }

// ParseNetwork reads an address, which counts as a network of one, or a network in CIDR form.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err
}

// localName reports whether only this machine can be behind the name.
func localName(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// listener checks host:port and returns its parts.
func (k *check) listener(path, address string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		k.fail(path, `write it like "127.0.0.1:8080" or ":8080"`, "%q is not host:port", address)
		return "", "", false
	}
	return host, port, true
}
