package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Upstream is one application behind the edge.
type Upstream struct {
	// Where it is: scheme, host and port, without a path. It stands here and nowhere else: no part of a
	// request ever chooses where a request goes. The Host that the browser sent is passed on.
	URL string `yaml:"url"`
	// Whether its answers may carry Crossfade-Session and Crossfade-Session-End, with which a Crossfade
	// client gives the browser another session token, at a login or at a guest's first write, and takes it
	// away at a logout. Only for applications that use a client for that. Default false: such headers are
	// removed.
	Trusted bool `yaml:"trusted"`
	// The audience of the contexts that it receives. Default: its name.
	Audience string `yaml:"audience"`
	// How long a connection may take to be made. Default 2s.
	ConnectTimeout Duration `yaml:"connect_timeout"`
	// How long it may take until the response's header has come. The body may take as long as it likes, so
	// that streams live. Default 60s.
	ResponseTimeout Duration `yaml:"response_timeout"`
	// How many idle connections are kept to it. Default 128.
	IdleConnections int `yaml:"idle_connections"`
}

func (u *Upstream) defaults() {
	u.ConnectTimeout = seconds(2)
	u.ResponseTimeout = seconds(60)
	u.IdleConnections = 128
}

func validateUpstreams(k *check, all map[string]Upstream) {
	if len(all) == 0 {
		k.fail("upstreams", "name at least the legacy application", "are missing")
	}
	audiences := map[string]string{}
	for _, name := range names(all) {
		u, path := all[name], join("upstreams", name)
		if !plainName(name) {
			k.fail(path, "use small letters, digits and dashes", "%q is not a name", name)
		}
		u.validate(k, path)
		if u.Audience == "" {
			u.Audience = name
			all[name] = u
		}
		if other, taken := audiences[u.Audience]; taken {
			k.fail(path, "a context for one must be worthless at the other", "has the audience of %q", other)
		}
		audiences[u.Audience] = name
	}
}

func (u *Upstream) validate(k *check, path string) {
	if k.needs(join(path, "url"), u.URL, "write it like http://127.0.0.1:8000") {
		u.validateURL(k, join(path, "url"))
	}
	k.within(join(path, "connect_timeout"), u.ConnectTimeout, seconds(1)/100, seconds(60))
	k.within(join(path, "response_timeout"), u.ResponseTimeout, seconds(1)/10, seconds(3600))
	k.between(join(path, "idle_connections"), u.IdleConnections, 1, 10_000)
}

func (u *Upstream) validateURL(k *check, path string) {
	const hint = "write it like http://127.0.0.1:8000"
	if strings.ContainsAny(u.URL, "*${}") {
		k.fail(path, "write the one address that is meant; a host taken from the request makes an open relay",
			"must be a fixed address")
		return
	}
	parsed, err := url.Parse(u.URL)
	switch {
	case err != nil || parsed.Hostname() == "":
		k.fail(path, hint, "%q is not an address", u.URL)
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		k.fail(path, hint, "%q is not http or https", parsed.Scheme)
	case parsed.User != nil:
		k.fail(path, "no secret stands in this file", "must not hold a user and password")
	case parsed.RawQuery != "" || parsed.Fragment != "" || strings.Trim(parsed.Path, "/") != "":
		k.fail(path, "paths are passed on as they come", "must be scheme, host and port alone")
	case u.leadsHome(k.config, parsed):
		k.fail(path, "name the address of the application itself", "is Crossfade's own listener: requests would go round for ever")
	}
}

// leadsHome reports whether the address is one that this very process listens on, or that browsers
// reach it by.
func (u *Upstream) leadsHome(c *Config, upstream *url.URL) bool {
	port := upstream.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[upstream.Scheme]
	}
	if public, err := url.Parse(c.Public.URL); err == nil && strings.EqualFold(public.Host, upstream.Host) {
		return true
	}
	for _, listen := range []string{c.Public.Listen, c.Internal.Listen} {
		host, own, err := net.SplitHostPort(listen)
		if err != nil || own != port || own == "0" {
			continue
		}
		if local := localName(upstream.Hostname()) || everyAddress(upstream.Hostname()); local && (localName(host) || everyAddress(host)) || host == upstream.Hostname() {
			return true
		}
	}
	return false
}

// plainName is what may stand in metrics, contexts and commands without quoting.
func plainName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func names[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// upstream complains when a field names an upstream that does not exist.
func (k *check) upstream(path, name string) bool {
	if _, ok := k.config.Upstreams[name]; ok {
		return true
	}
	k.fail(path, suggest(name, names(k.config.Upstreams)), "no upstream is called %q", name)
	return false
}
