package edge

import (
	"net/url"
	"strings"
)

// origin is where a request came from, as the browser says.
type origin uint8

const (
	unsaid     origin = iota // no browser said anything: an app, a script, an old browser
	direct                   // typed, bookmarked: the visitor's own doing
	sameOrigin               // this site
	sameSite                 // a sibling host of this site
	crossSite                // another site
)

// originOf reads Sec-Fetch-Site, which no page can forge, and without it Origin.
func (e *Edge) originOf(req Request) origin {
	switch req.Header("Sec-Fetch-Site") {
	case "same-origin":
		return sameOrigin
	case "same-site":
		return sameSite
	case "none":
		return direct
	case "":
	default: // cross-site, and whatever a later standard says: not this site
		return crossSite
	}
	from := req.Header("Origin")
	switch {
	case from == "":
		return unsaid
	case e.own(from, req.Host()):
		return sameOrigin
	}
	return crossSite // "null" too
}

// own reports whether an Origin header, or the beginning of a Referer, is this site's: its public address,
// or that of the very host that the request is for, which was found to be one of the site's.
func (e *Edge) own(origin, host string) bool {
	if strings.EqualFold(origin, e.origin) {
		return true
	}
	scheme, from, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(scheme, e.cfg.Public.Scheme) && strings.EqualFold(from, host)
}

// isEntry reports whether systems may change at this request: a top-level navigation by GET that will be
// seen, on a route that allows it.
func (e *Edge) isEntry(req Request, r *route) bool {
	if req.Method() != "GET" || r == nil || r.NoHandover || r.Callback || r.Tools {
		return false
	}
	if early(req) || req.Header("Upgrade") != "" {
		return false
	}
	mode, dest := req.Header("Sec-Fetch-Mode"), req.Header("Sec-Fetch-Dest")
	if mode != "" || dest != "" || req.Header("Sec-Fetch-Site") != "" {
		return mode == "navigate" && dest == "document"
	}
	return strings.Contains(req.Header("Accept"), "text/html") && req.Header("X-Requested-With") == ""
}

// early reports whether the answer may never be looked at: a prefetch or a prerender.
func early(req Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := req.Header(name); v != "" && (containsFold(v, "prefetch") || containsFold(v, "prerender") || containsFold(v, "preview")) {
			return true
		}
	}
	return false
}

func containsFold(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// mayHandshake reports whether a call of the handshake endpoint is this site's own; only such a call is
// an entry request. Without Sec-Fetch-Site and Origin, as from an app or an old browser, the Referer
// must not say otherwise.
func (e *Edge) mayHandshake(req Request, from origin) bool {
	switch from {
	case sameOrigin, direct:
		return true
	case unsaid:
		referer := req.Header("Referer")
		if referer == "" {
			return true
		}
		u, err := url.Parse(referer)
		return err == nil && e.own(u.Scheme+"://"+u.Host, req.Host())
	}
	return false
}

// sealsCookies reports whether this response may set or delete Crossfade's cookies. A cross-site form
// comes without its Lax cookies, and with Strict every visit from another site does: the browser that we
// would take for a new one has a session.
func (e *Edge) sealsCookies(req Request, from origin) bool {
	switch {
	case from != crossSite:
		return true
	case !safe(req.Method()):
		return false
	}
	return !e.strict
}
