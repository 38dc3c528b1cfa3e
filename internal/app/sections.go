package app

import (
	"net/http"
	"net/netip"
	"net/url"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// What the planes call the sections of the configuration. Nothing is decided here.

func site(c *config.Config) control.Site {
	s := control.Site{LegacyCookie: c.Legacy.Cookie.Name, Bridge: c.Upstreams[c.Legacy.Upstream].URL}
	for _, r := range c.Routes {
		if r.Tools {
			s.ToolPaths = append(s.ToolPaths, r.Path)
		}
	}
	return s
}

func edgeConfig(c *config.Config) (edge.Config, error) {
	public, err := url.Parse(c.Public.URL)
	if err != nil {
		return edge.Config{}, fault.Wrap(err, fault.Invalid, "public.url cannot be read")
	}
	public.Path = ""
	out := edge.Config{
		Public:  public,
		Hosts:   c.Public.Hosts,
		MaxBody: limit(c.Public.MaxBody),
		Rollout: c.Rollout.Name,
		Legacy:  edgeLegacy(c),
		Cookies: edge.CookieConfig{SameSite: sameSite(c.Cookies.SameSite), Partitioned: c.Cookies.Partitioned},
		Access: edge.Access{Login: c.Access.Login, Next: c.Access.Next,
			NativeHeader: c.Access.Native.Header, NativeValues: c.Access.Native.Values},
		Handover: edge.Handover{
			StoreDeadline: c.Session.Deadline.D(), BridgeDeadline: c.Legacy.Bridge.Timeout.D(),
			RestoreBudget: c.Legacy.Bridge.RestoreBudget, CounterpartLife: c.Legacy.Cookie.Life.D(),
			KillDeadline: c.Session.KillDeadline.D(), BodyStall: c.Public.BodyStall.D(), ClientBudget: c.Legacy.Bridge.ClientBudget,
			CounterpartRefresh: c.Handover.CounterpartRefresh.D(),
		},
	}
	if out.TrustedProxies, err = networks(c.Public.TrustedProxies); err != nil {
		return edge.Config{}, err
	}
	for name, u := range c.Upstreams {
		address, err := url.Parse(u.URL)
		if err != nil {
			return edge.Config{}, fault.Wrap(err, fault.Invalid, "the url of upstream %s cannot be read", name)
		}
		address.Path = ""
		out.Upstreams = append(out.Upstreams, edge.Upstream{Name: name, URL: address, Trusted: u.Trusted, Audience: u.Audience,
			ConnectTimeout: u.ConnectTimeout.D(), ResponseTimeout: u.ResponseTimeout.D(), IdleConnections: u.IdleConnections})
	}
	for _, r := range c.Routes {
		size := int64(0)
		if r.MaxBody != nil {
			size = limit(*r.MaxBody)
		}
		out.Routes = append(out.Routes, edge.Route{Path: r.Path, Methods: r.Methods, Channel: r.Channel,
			Legacy: r.Target(false), New: r.Target(true), Require: r.Require, Login: r.Login, API: r.API,
			OnStoreDown: r.OnStoreDown, Strict: r.Strict, NoHandover: r.NoHandover, Callback: r.Callback, Tools: r.Tools, Plain: r.Plain, CrossSite: r.CrossSite, MaxBody: size, Step: uint8(r.Step)})
	}
	return out, nil
}

func beyond(name string) session.Beyond {
	switch name {
	case "deny":
		return session.Deny
	case "end-idlest":
		return session.EndIdlest
	}
	return session.EndOldest
}

// limit is a size as the edge counts it: there 0 is the default, and less is no limit.
func limit(s config.Size) int64 {
	if s == 0 {
		return -1
	}
	return int64(s)
}

// edgeLegacy names today's cookie, and as variants every other combination that it ever had.
func edgeLegacy(c *config.Config) edge.Legacy {
	l := c.Legacy
	out := edge.Legacy{Name: l.Upstream, Upstream: l.Upstream, Related: l.RelatedCookies, Cookie: edge.LegacyCookie{
		Name: l.Cookie.Name, Domain: l.Cookie.Domains[0], Path: l.Cookie.Paths[0], SameSite: sameSite(l.Cookie.SameSite), Secure: *l.Cookie.Secure,
	}}
	for i, domain := range l.Cookie.Domains {
		for j, path := range l.Cookie.Paths {
			if i+j > 0 {
				out.Cookie.Variants = append(out.Cookie.Variants, edge.Variant{Domain: domain, Path: path})
			}
		}
	}
	return out
}

func sameSite(name string) http.SameSite {
	switch name {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

func networks(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := config.ParseNetwork(text)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "%q is not an address or network", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// staff makes the facts that cohorts ask for.
func staff(c *config.Config) func(subject string) edge.Facts {
	employees := map[string]bool{}
	for _, subject := range c.Rollout.Staff {
		employees[subject] = true
	}
	return func(subject string) edge.Facts { return edge.Facts{Employee: employees[subject]} }
}
