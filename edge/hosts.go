package edge

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// hosts are the names that this site has. A request under any other name never gets past the edge: the
// name reaches the upstreams, which make links of it, and a page may read what is served under a name of
// its own choosing (DNS rebinding).
type hosts struct {
	exact map[string]bool // in lower case, each in every form that it may come in
	wild  map[string]bool // what follows the first label: "*.example.com" is "example.com"
	// local: the site is only this machine, under whatever port it is forwarded to.
	local bool
}

// newHosts reads the public address and the other names. Each is accepted with the port that it names;
// without one, or with its scheme's default port, in both forms.
func newHosts(public *url.URL, others []string) (*hosts, error) {
	h := &hosts{exact: map[string]bool{}, wild: map[string]bool{}}
	for i, text := range append([]string{public.Host}, others...) {
		rest, into := text, h.exact
		if parent, wild := strings.CutPrefix(text, "*."); wild && i > 0 {
			rest, into = parent, h.wild
		}
		name, port, ok := splitHost(rest)
		if !ok {
			return nil, bad("%q is not a host that the site can have", text).WithHint("write it like shop.example.com, shop.example.com:8443 or *.example.com")
		}
		if port == "" || port == defaultPort(public.Scheme) {
			into[name], into[name+":"+defaultPort(public.Scheme)] = true, true
		} else {
			into[name+":"+port] = true
		}
		h.local = h.local || i == 0 && loopback(name)
	}
	return h, nil
}

// judge says whether the site has this name; nil: it does. What is no host at all is a bad request, any
// other name is misdirected (RFC 9110, section 15.5.20).
func (h *hosts) judge(host string) *denial {
	if h.exact[host] {
		return nil
	}
	name, port, ok := splitHost(host)
	if !ok {
		return badHost()
	}
	if h.local && loopback(name) {
		return nil
	}
	form := name
	if port != "" {
		form += ":" + port
	}
	if h.exact[form] {
		return nil
	}
	if label, parent, found := strings.Cut(form, "."); found && label != "" && h.wild[parent] {
		return nil
	}
	return misdirected()
}

// splitHost reads a Host header: a name in lower case, and the port if there is one. It refuses what
// servers behind us could read in more than one way.
func splitHost(host string) (name, port string, ok bool) {
	name = host
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return "", "", false
		}
		addr, err := netip.ParseAddr(host[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", false
		}
		name, port = "["+addr.String()+"]", host[end+1:]
		if port != "" && port[0] != ':' {
			return "", "", false
		}
	} else {
		if at := strings.IndexByte(host, ':'); at >= 0 {
			name, port = host[:at], host[at:]
		}
		if name == "" || len(name) > 253 || strings.Contains(name, "..") || strings.ContainsFunc(name, notInHost) {
			return "", "", false
		}
		name = strings.ToLower(name)
	}
	if port == "" {
		return name, "", true
	}
	n, err := strconv.ParseUint(port[1:], 10, 16)
	return name, port[1:], err == nil && n > 0 && port[1] != '0'
}

func notInHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

// loopback reports whether only this machine can be behind a name from [splitHost].
func loopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.IsLoopback()
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// rightHost refuses a request for another site. The log names the way out, since an operator who added a
// name to the DNS is the likeliest reason.
func (t *trip) rightHost() bool {
	d := t.e.hosts.judge(t.r.Host)
	if d == nil {
		return true
	}
	t.count(CountHost)
	if t.e.misled.due(t.e.deps.Clock()) {
		t.e.deps.Log.Warn("a request for a host that this site does not have was refused", "request", t.id, "host", shorten(t.r.Host),
			"client", t.peer.client, "hint", "if it is one of yours, add it to public.hosts; a proxy in front must pass on the Host that the browser sent; health checks belong on the internal listener's /healthz")
	}
	t.refuse(d)
	return false
}

// shorten keeps what a stranger chose from filling the log.
func shorten(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func misdirected() *denial {
	return &denial{
		status: http.StatusMisdirectedRequest, code: "misdirected_request", title: "This site is not served here",
		text: "The address that was asked for belongs to no site on this server. If you run it: the server's log says what to do.",
	}
}

func badHost() *denial {
	d := misdirected()
	d.status, d.code = http.StatusBadRequest, "bad_host"
	return d
}
