package edge

import (
	"net/url"
	"slices"
	"strings"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
)

// route is a Route, ready to be matched.
type route struct {
	Route
	segments []string // of the path; a wildcard is "{"
	subtree  bool     // the path ends in "/": everything below it
	policy   handover.Policy
	stale    bool // stale answers count
	login    string
	require  bool // authenticated
	json     bool // 401 and JSON rather than a redirect
	upstream [3]*upstream
}

func newRoute(r Route, access Access, upstreams map[string]*upstream) *route {
	out := &route{Route: r, login: r.Login, json: r.API || r.Channel == "native"}
	if out.login == "" {
		out.login = access.Login
	}
	out.require = r.Require == "authenticated" || (r.Require == "" && r.Channel == "native")
	policy := r.OnStoreDown
	if len(policy) == 0 {
		policy = []string{"stale", "legacy", "guest"}
	}
	out.stale = slices.Contains(policy, "stale")
	out.policy = handover.Policy{Legacy: slices.Contains(policy, "legacy"), Guest: slices.Contains(policy, "guest")}
	out.upstream[rollout.Legacy], out.upstream[rollout.New] = upstreams[r.Legacy], upstreams[r.New]
	out.segments, out.subtree = pattern(r.Path)
	return out
}

// to is the upstream for visitors whom this system governs.
func (r *route) to(s rollout.System) *upstream {
	if s == rollout.New {
		return r.upstream[rollout.New]
	}
	return r.upstream[rollout.Legacy]
}

func pattern(path string) (segments []string, subtree bool) {
	segments = strings.Split(path[1:], "/")
	if last := len(segments) - 1; segments[last] == "" {
		segments, subtree = segments[:last], true
	}
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{"
		}
	}
	return segments, subtree
}

// find is the first route that takes the request; nil: none. The path is a canonical one.
func (e *Edge) find(req Request, path string) *route {
	native := e.native(req)
	for _, r := range e.routes {
		if r.takesMethod(req.Method()) && (r.Channel == "" || (r.Channel == "native") == native) && r.takesPath(path) {
			return r
		}
	}
	return nil
}

// takesMethod goes by letters alone, as Django does: in another case a method must not find another route.
func (r *route) takesMethod(method string) bool {
	if len(r.Methods) == 0 {
		return true
	}
	head := strings.EqualFold(method, "HEAD")
	return slices.ContainsFunc(r.Methods, func(m string) bool { return strings.EqualFold(m, method) || head && m == "GET" })
}

// takesPath matches without allocating. "/cart/" takes "/cart/x" and "/cart/", not "/cart".
func (r *route) takesPath(path string) bool {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return false
	}
	for i, want := range r.segments {
		segment, after, more := strings.Cut(rest, "/")
		if segment != want && (want != "{" || segment == "") {
			return false
		}
		if !more {
			return i == len(r.segments)-1 && !r.subtree
		}
		rest = after
		if i == len(r.segments)-1 {
			return r.subtree
		}
	}
	return r.subtree || rest == ""
}

// native says that a native app sent the request. It proves nothing, it only chooses a route.
func (e *Edge) native(req Request) bool {
	header := e.cfg.Access.NativeHeader
	if header == "" {
		return false
	}
	value := req.Header(header)
	if value == "" || len(e.cfg.Access.NativeValues) == 0 {
		return value != ""
	}
	return slices.ContainsFunc(e.cfg.Access.NativeValues, func(v string) bool { return strings.HasPrefix(value, v) })
}

// canonical is the path that routes are matched on: decoded once, runs of slashes as one. It refuses what
// two servers would read differently, since access rules would then be judged on another path than the
// application serves: dot segments, backslashes and controls. Browsers send none of them.
func canonical(path string) (string, bool) {
	if plainPath(path) {
		return path, true
	}
	decoded, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(decoded, "/") || strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return "", false
	}
	out := make([]byte, 0, len(decoded))
	for i := range len(decoded) {
		if c := decoded[i]; c != '/' || len(out) == 0 || out[len(out)-1] != '/' {
			out = append(out, c)
		}
	}
	for segment := range strings.SplitSeq(string(out), "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return "", false
		}
	}
	return string(out), true
}

// hidesLogin reports whether some server would read a path as one that needs a login, which the one that was
// found does not: one that drops what follows a ";" in a segment, or splits before it decodes. Such a path is
// refused, or the check would be passed by spelling.
func (e *Edge) hidesLogin(req Request, found *route, sent, path string) bool {
	split := encodedSlash.Replace(sent) // what is sent as %2F is part of a segment
	if found.require || split == sent && !strings.Contains(path, ";") {
		return false
	}
	for _, path := range [...]string{sent, split} {
		for _, bare := range [...]bool{false, true} {
			reading, ok := canonical(path)
			if bare {
				reading = withoutParameters(reading)
			}
			if r := e.find(req, reading); ok && r != nil && r.require {
				return true
			}
		}
	}
	return false
}

var encodedSlash = strings.NewReplacer("%2F", "%252F", "%2f", "%252F")

// withoutParameters drops them from each segment: "/cart;v=1/x" is "/cart/x".
func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	bare, _ := canonical(strings.Join(segments, "/"))
	return bare
}

// plainPath reports whether a path is its own canonical form, as nearly every one is.
func plainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%' || c == '\\' || c < ' ' || c == 0x7f:
			return false
		case (c == '/' || c == '.') && i > 0 && path[i-1] == '/':
			return false
		}
	}
	return true
}
