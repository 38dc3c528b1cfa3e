package config

import (
	"slices"
	"strings"
)

// Route sends matching requests to an upstream.
type Route struct {
	// Path that it takes: "/cart/" everything below it, "/health" exactly that, "/shops/{id}/menu" any one
	// segment in the place of {id}; "/" everything.
	Path string `yaml:"path"`
	// Methods that it takes. Default: all. GET takes HEAD too.
	Methods []string `yaml:"methods"`
	// Take only requests of browsers (web) or of native apps (native; see access.native). Default: both.
	Channel string `yaml:"channel"`
	// Upstream for visitors whom legacy governs.
	Legacy string `yaml:"legacy"`
	// Upstream for visitors whom the new system governs.
	New string `yaml:"new"`
	// One upstream for all visitors, whichever system governs them; in place of legacy and new. It must
	// understand both: a legacy application with the client package does.
	Upstream string `yaml:"upstream"`
	// Who may pass: guest (everybody) or authenticated. Default: authenticated on a route with channel
	// native, guest elsewhere.
	Require string `yaml:"require"`
	// Page that a visitor who must log in is sent to. Default access.login.
	Login string `yaml:"login"`
	// Refuse with 401 and JSON instead of sending to a login page. Routes with channel native always do.
	// Default false.
	API bool `yaml:"api"`
	// What is tried, in this order, when the session store cannot say what a token is worth. stale: the last
	// answer, within session.cache.stale. legacy: back to legacy with the return ticket. guest: served as
	// nobody, cookies untouched. deny: 503. Default [stale, legacy, guest].
	OnStoreDown []string `yaml:"on_store_down"`
	// Ask the session store at each request what the session is worth, and take nothing from memory: a session that
	// another process has ended is refused at once rather than within session.cache.bound. For what must not be seen
	// or done a second too late: changing a password, paying out. It costs one question to the store per
	// request, and while the store is down on_store_down goes on behind stale. Default false.
	Strict bool `yaml:"strict"`
	// Nobody changes system here. For callbacks of an identity provider, returns from a payment page and
	// whatever else began on the other side of a redirect. Default false.
	NoHandover bool `yaml:"no_handover"`
	// Takes forms that a page of another site posts: a login that an identity provider sends back (SAML's POST
	// binding, OpenID Connect's form_post), the return from a payment. Browsers leave session cookies out of
	// such a POST, so it is answered with a page that posts the same form again from here, with them; the
	// application is told the first one's origin. Nobody changes system here. Name the callback's own
	// path, and let its application check what it is sent: any site can post there with the visitor's
	// cookies. Default false.
	Callback bool `yaml:"callback"`
	// An internal tool of the legacy application, Django's admin for instance. It keeps a legacy session of
	// its own beside the visitor's new one. Must go to the legacy upstream. Default false.
	Tools bool `yaml:"tools"`
	// Let unsafe requests (POST and the like) of other sites through to the new system. For webhooks and
	// payment notices, which prove themselves in another way. Default false: they are refused.
	CrossSite bool `yaml:"cross_site"`
	// Static files: nobody's session is looked at, which saves the edge most of its work. Crossfade's cookies and
	// legacy's are taken out of request and response, no context is sent, and nobody changes system. All visitors share one
	// upstream. Never for pages that greet somebody. Default false.
	Plain bool `yaml:"plain"`
	// The largest request body here, in the place of public.max_body; 0: no limit, for uploads and for clients that
	// stream what they send. Default public.max_body.
	MaxBody *Size `yaml:"max_body"`
	// Step of the funnel, 1 to 64, that a visitor reaches with a successful response here. Default: none.
	Step int `yaml:"step"`
}

func (r *Route) defaults() { r.OnStoreDown = []string{"stale", "legacy", "guest"} }

func validateRoutes(k *check, routes []Route) {
	if len(routes) == 0 {
		k.fail("routes", `add at least "- {path: /, upstream: <name>}"`, "are missing: the public listener would serve nothing")
	}
	for i := range routes {
		path := item("routes", i)
		routes[i].validate(k, path)
		for j := range i {
			if routes[j].covers(&routes[i]) {
				k.fail(path, "move it up, or remove it", "is never reached: routes[%d], %s, takes all that it would", j, routes[j].Path)
				break
			}
		}
	}
}

func (r *Route) validate(k *check, path string) {
	if k.needs(join(path, "path"), r.Path, `"/" takes everything`) {
		r.validatePath(k, join(path, "path"))
	}
	for i, m := range r.Methods {
		if m == "" || strings.ToUpper(m) != m || strings.ContainsAny(m, " ,") {
			k.fail(item(join(path, "methods"), i), "write it like GET", "%q is not a method", m)
		}
	}
	r.validateTarget(k, path)
	k.oneOf(join(path, "channel"), r.Channel, "web", "native")
	if r.Channel == "native" && k.config.Access.Native.Header == "" {
		k.fail(join(path, "channel"), "say in access.native how apps are told from browsers", "no request counts as native")
	}
	k.oneOf(join(path, "require"), r.Require, "guest", "authenticated")
	k.between(join(path, "step"), r.Step, 0, 64)
	if r.Login != "" {
		k.sitePath(join(path, "login"), r.Login)
	}
	r.validateCallback(k, join(path, "callback"))
	if r.Login != "" && r.API {
		k.fail(join(path, "login"), "drop login or api", "is never used: api answers 401")
	}
	r.validatePolicy(k, join(path, "on_store_down"))
	r.validatePlain(k, join(path, "plain"))
	if r.MaxBody != nil {
		k.size(join(path, "max_body"), *r.MaxBody)
	}
}

// validatePlain refuses what a route that asks for no session would silently not do.
func (r *Route) validatePlain(k *check, path string) {
	if !r.Plain {
		return
	}
	if r.Upstream == "" {
		k.fail(path, "give upstream in place of legacy and new", "a plain route does not know which system governs a visitor")
	}
	for _, c := range []struct {
		said bool
		what string
	}{
		{r.Tools, "tools"}, {r.Require == "authenticated" || r.Require == "" && r.Channel == "native", "require: authenticated"},
		{r.Callback, "callback"}, {r.Login != "", "login"}, {r.API, "api"}, {r.Step != 0, "step"}, {r.Strict, "strict"},
	} {
		if c.said {
			k.fail(path, "drop one of the two", "a plain route looks at no session, so %s means nothing here", c.what)
		}
	}
}

func (r *Route) validatePath(k *check, path string) {
	reason := ""
	switch {
	case !strings.HasPrefix(r.Path, "/"):
		reason = "does not begin with /"
	case strings.Contains(r.Path, "//") || slices.ContainsFunc(strings.Split(r.Path, "/"), dots):
		reason = "has empty or dotted segments, which no cleaned request path has"
	case strings.ContainsAny(r.Path, "?#% *\\"):
		reason = "holds characters that a path pattern has not"
	case strings.HasPrefix(strings.ToLower(r.Path), "/_crossfade"):
		reason = "is Crossfade's own"
	case slices.ContainsFunc(strings.Split(r.Path, "/"), brokenWildcard):
		reason = "has a {placeholder} that is not a whole segment"
	}
	if reason != "" {
		k.fail(path, `write it like "/cart/", "/health" or "/shops/{id}/menu"`, "%q %s", r.Path, reason)
	}
}

func dots(segment string) bool { return segment == "." || segment == ".." }

func wildcard(segment string) bool {
	return len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' && !strings.ContainsAny(segment[1:len(segment)-1], "{}")
}

func brokenWildcard(segment string) bool {
	return strings.ContainsAny(segment, "{}") && !wildcard(segment)
}

func (r *Route) validateTarget(k *check, path string) {
	switch {
	case r.Upstream != "" && (r.Legacy != "" || r.New != ""):
		k.fail(path, "give upstream alone, or legacy and new", "says upstream and legacy or new")
	case r.Upstream == "" && (r.Legacy == "" || r.New == ""):
		k.fail(path, "give both legacy and new, or upstream alone for one that serves all visitors", "does not say where all visitors go")
	}
	for field, name := range map[string]string{"upstream": r.Upstream, "legacy": r.Legacy, "new": r.New} {
		if name != "" {
			k.upstream(join(path, field), name)
		}
	}
	if home := k.config.Legacy.Upstream; r.Tools && home != "" && (r.Target(false) != home || r.Target(true) != home) {
		k.fail(join(path, "tools"), "set upstream: "+home, "an internal tool must go to the legacy upstream")
	}
}

func (r *Route) validatePolicy(k *check, path string) {
	if len(r.OnStoreDown) == 0 {
		k.fail(path, "write [deny] to serve nobody", "needs at least one answer")
	}
	for i, p := range r.OnStoreDown {
		k.oneOf(item(path, i), p, "stale", "legacy", "guest", "deny")
		if p == "" || slices.Contains(r.OnStoreDown[:i], p) {
			k.fail(item(path, i), "", "%q is empty or given twice", p)
		}
		if (p == "deny" || p == "guest") && i != len(r.OnStoreDown)-1 {
			k.fail(item(path, i), "put it last", "%s always succeeds: what follows is never tried", p)
		}
	}
}

func (r *Route) validateCallback(k *check, path string) {
	switch {
	case !r.Callback:
	case r.Path == "/" || strings.HasPrefix(r.Path, "/{"):
		k.fail(path, "name the callback's own path, like /sso/acs/", "would open the whole site to forms of other sites")
	case len(r.Methods) > 0 && !slices.Contains(r.Methods, "POST"):
		k.fail(path, "add POST to methods, or drop callback", "is never used: the route takes no POST")
	}
}

// warnRoutes names routes that may not do what they are there for.
func warnRoutes(routes []Route) (out []string) {
	for _, r := range routes {
		if r.NoHandover && r.CrossSite && !r.Callback {
			out = append(out, "route "+r.Path+" has no_handover and cross_site: if a login or a payment comes back there as a form, "+
				"what it needs is callback: true")
		}
	}
	return out
}

// Target is the upstream for a visitor of either system.
func (r *Route) Target(new bool) string {
	switch {
	case r.Upstream != "":
		return r.Upstream
	case new:
		return r.New
	}
	return r.Legacy
}

// covers reports whether r takes every request that other would.
func (r *Route) covers(other *Route) bool {
	if r.Channel != "" && r.Channel != other.Channel {
		return false
	}
	if len(r.Methods) > 0 {
		if len(other.Methods) == 0 {
			return false
		}
		for _, m := range other.Methods {
			if !slices.Contains(r.Methods, m) {
				return false
			}
		}
	}
	return pathCovers(r.Path, other.Path)
}

func pathCovers(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	as, bs := strings.Split(a[1:], "/"), strings.Split(b[min(1, len(b)):], "/")
	subtree := as[len(as)-1] == ""
	if subtree {
		as = as[:len(as)-1]
	}
	if len(bs) < len(as) || !subtree && len(bs) != len(as) {
		return false
	}
	for i, segment := range as {
		if segment != bs[i] && !(wildcard(segment) && bs[i] != "") {
			return false
		}
	}
	// "/cart/" takes "/cart/x" but not "/cart".
	return !subtree || len(bs) > len(as)
}
