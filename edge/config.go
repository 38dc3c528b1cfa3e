package edge

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// Config is what an edge is built from. It is not changed afterwards: a reload builds another edge.
type Config struct {
	// Public is the address that browsers see, scheme and host. It says which Origin is the site's own, and
	// whether cookies carry the __Host- prefix and Secure. Plain http is for localhost alone.
	Public *url.URL
	// Hosts are the names that the site has besides Public's, with a port where it is not the scheme's own;
	// "*.example.com" is every name with one label more. A request for any other is refused.
	Hosts []string
	// MaxBody is the size in bytes of the largest request body; 0: 32 MiB, below 0: no limit.
	MaxBody int64
	// TrustedProxies are the networks whose X-Forwarded-* is believed. Empty: nobody's.
	TrustedProxies []netip.Prefix
	Upstreams      []Upstream
	// Routes in order: the first that matches wins, and what none matches is answered 404.
	Routes []Route
	// Rollout is the one that governs sessions. Empty: [rollout.Sessions].
	Rollout  string
	Legacy   Legacy
	Cookies  CookieConfig
	Access   Access
	Handover Handover
}

// Upstream is one application behind the edge.
type Upstream struct {
	Name string
	URL  *url.URL // scheme and host
	// Trusted: Crossfade-Session and Crossfade-Session-End in its responses count.
	Trusted         bool
	Audience        string        // of its contexts; empty: Name
	ConnectTimeout  time.Duration // 0: 2 s
	ResponseTimeout time.Duration // until the response's header; 0: 60 s
	IdleConnections int           // 0: 128
}

// Route says where a path goes, and what holds there.
type Route struct {
	// Path: "/cart/" everything below it, "/health" exactly that, "/shops/{id}/menu" any one segment in the
	// place of {id}, "/" everything.
	Path    string
	Methods []string // empty: all; GET takes HEAD too
	Channel string   // "", "web" or "native"
	// Legacy and New are the names of the upstreams for visitors whom the one or the other governs.
	Legacy, New string
	// Require is "guest" or "authenticated". Empty: authenticated on a native route, guest elsewhere.
	Require string
	Login   string // page to log in; empty: Access.Login
	API     bool   // 401 and JSON in the place of a redirect; native routes always
	// OnStoreDown is what is tried in order when the session store cannot say what a token is worth: of
	// stale, legacy, guest, deny. Empty: stale, legacy, guest.
	OnStoreDown []string
	// Strict never takes from memory what a token is worth: the store is asked at each request, so what ended
	// anywhere before it is refused. While the store is down nothing is stale here.
	Strict     bool
	NoHandover bool // nobody changes system here
	// Callback takes forms that other sites post, such as logins that an identity provider sends back. They
	// are posted again from this site, so that the visitor's cookies come along. Nobody changes system here.
	Callback bool
	Tools    bool // an internal tool with a legacy session of its own
	// Plain asks for no session: static files. Cookies of ours and legacy's are taken out, none is written,
	// and the upstream gets no context, so that all visitors share one.
	Plain bool
	// CrossSite lets unsafe requests of other sites through to the new system: webhooks, payment notices.
	CrossSite bool
	MaxBody   int64 // 0: [Config.MaxBody]; below 0: no limit
	// Step is the funnel step, 1 to 64, that a visitor reaches with a successful response. 0: none.
	Step uint8
}

// Legacy describes the system that is being left.
type Legacy struct {
	Name     string // recorded as the origin of sessions that came from it; empty: legacy
	Upstream string // the only one that is ever sent a legacy session key
	Cookie   LegacyCookie
	// Related are the names of other cookies that go with a legacy session when a visitor moves to new.
	Related []string
}

// LegacyCookie is the legacy session cookie as legacy sets it today, and the ways it was ever set.
type LegacyCookie struct {
	Name     string
	Domain   string // empty: host only
	Path     string // empty: /
	SameSite http.SameSite
	Secure   bool
	Variants []Variant // besides the one above
}

// Variant is a domain and path that a cookie is or was set with.
type Variant struct{ Domain, Path string }

// CookieConfig is how Crossfade's own cookies are written.
type CookieConfig struct {
	SameSite    http.SameSite // 0: the legacy cookie's
	Partitioned bool
}

// Access is what happens to visitors who may not pass.
type Access struct {
	Login string // page that they are sent to; empty: /accounts/login/
	Next  string // name of the parameter that tells it where to return to; empty: next
	// NativeHeader tells the requests of native apps from those of browsers; empty: every request is web.
	NativeHeader string
	NativeValues []string // beginnings of its value that mean native; empty: any value
}

// Handover bounds what may be spent on carrying a plan out.
type Handover struct {
	StoreDeadline time.Duration // 0: 500 ms
	KillDeadline  time.Duration // for asking the session store under the kill switch; 0: 50 ms
	// BridgeDeadline is for one bridge call; 0: 2 s.
	BridgeDeadline time.Duration
	// RestoreBudget is how many sessions per second this edge restores; 0: no limit.
	RestoreBudget int
	// ClientBudget is how many requests per second of one client (an IPv4 address, an IPv6 /56) may make the
	// edge ask the bridge about a session that is not known to be a login; 0: no limit.
	ClientBudget int
	// Heartbeat is the age from which a snapshot hands nothing over; 0: 15 s.
	Heartbeat time.Duration
	// CounterpartLife is how long a counterpart lives on the legacy side when it was just touched; it is
	// touched again before half of it has passed. 0: 14 days.
	CounterpartLife time.Duration
	// CounterpartRefresh is how long after a write of a session its counterpart gets the data; 0: it does not.
	CounterpartRefresh time.Duration
	// StreamBound is how long a stream may outlive its session; 0: 1 s.
	StreamBound time.Duration
	// BodyStall is how long a request body may bring nothing before it is given up; 0: 10 s.
	BodyStall time.Duration
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	text := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&c.Handover.StoreDeadline, 500*time.Millisecond)
	def(&c.Handover.KillDeadline, 50*time.Millisecond)
	def(&c.Handover.BridgeDeadline, 2*time.Second)
	def(&c.Handover.Heartbeat, 15*time.Second)
	def(&c.Handover.CounterpartLife, 14*24*time.Hour)
	def(&c.Handover.StreamBound, time.Second)
	def(&c.Handover.BodyStall, 10*time.Second)
	if c.MaxBody == 0 {
		c.MaxBody = 32 << 20
	}
	text(&c.Rollout, rollout.Sessions)
	text(&c.Legacy.Name, "legacy")
	text(&c.Legacy.Cookie.Path, "/")
	text(&c.Access.Login, "/accounts/login/")
	text(&c.Access.Next, "next")
	if c.Legacy.Cookie.SameSite == 0 {
		c.Legacy.Cookie.SameSite = http.SameSiteLaxMode
	}
	if c.Cookies.SameSite == 0 {
		c.Cookies.SameSite = c.Legacy.Cookie.SameSite
	}
	return c
}

// check refuses what would open a hole or could never work. The configuration file is checked in much
// more detail where it is read; this is the part that safety rests on.
func (c Config) check() error {
	switch {
	case c.Public == nil || c.Public.Host == "" || (c.Public.Scheme != "http" && c.Public.Scheme != "https"):
		return bad("the edge needs the public address of the site").WithHint("set public.url, like https://shop.example.com")
	case c.Legacy.Cookie.Name == "":
		return bad("the legacy session cookie has no name").WithHint("set legacy.cookie.name, for Django sessionid")
	case strings.HasPrefix(strings.TrimPrefix(c.Legacy.Cookie.Name, hostPrefix), "cf_"):
		return bad("the legacy session cookie %q has one of Crossfade's own names", c.Legacy.Cookie.Name)
	case c.Cookies.SameSite == http.SameSiteNoneMode && c.insecure():
		return bad("cookies with SameSite=None must be Secure").WithHint("use lax while developing on localhost")
	}
	names := map[string]bool{}
	for _, u := range c.Upstreams {
		if u.Name == "" || u.URL == nil || u.URL.Host == "" {
			return bad("an upstream needs a name and an address with a host: a host taken from the request would be an open relay")
		}
		names[u.Name] = true
	}
	if !names[c.Legacy.Upstream] {
		return bad("there is no upstream %q for the legacy system", c.Legacy.Upstream)
	}
	for _, r := range c.Routes {
		switch {
		case !strings.HasPrefix(r.Path, "/"):
			return bad("route %q does not begin with /", r.Path)
		case !names[r.Legacy] || !names[r.New]:
			return bad("route %s names an upstream that does not exist", r.Path)
		case r.Tools && (r.Legacy != c.Legacy.Upstream || r.New != c.Legacy.Upstream):
			return bad("route %s is an internal tool and must go to the legacy upstream", r.Path)
		case r.Plain && (r.Tools || r.Require == "authenticated"):
			return bad("route %s is plain and can neither be a tool nor ask for a login", r.Path)
		case r.Callback && (r.Plain || r.Path == "/" || strings.HasPrefix(r.Path, "/{")):
			return bad("route %s can not be a callback", r.Path).
				WithHint("name the callback's own path: what the whole site takes from other sites is an attack")
		case r.Plain && r.Legacy != r.New:
			return bad("route %s is plain and must have one upstream: nobody knows there who governs a visitor", r.Path)
		case r.Step > 64:
			return bad("route %s has funnel step %d, there are 64", r.Path, r.Step)
		}
	}
	return nil
}

func (c Config) insecure() bool { return c.Public.Scheme == "http" }

func bad(format string, args ...any) *fault.Error { return fault.New(fault.Invalid, format, args...) }
