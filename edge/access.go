package edge

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// denial is an answer that the edge gives itself, in the place of an upstream's.
type denial struct {
	status   int
	code     string // for programs
	title    string
	text     string
	location string // a redirect
	program  bool   // JSON, whoever asks
}

// admit says whether the request may go on to its upstream; nil: it may.
func (p *passage) admit(ctx context.Context, up *upstream) *denial {
	if p.verdict.plan.As == handover.Denied {
		return &denial{
			status: http.StatusServiceUnavailable, code: "session_store_down", title: "We'll be right back",
			text: "This page needs your session, and we can't reach it just now. Please try again in a moment.",
		}
	}
	if !up.legacy && p.verdict.plan.System == rollout.New && p.foreign() {
		p.count(CountCrossSite)
		return &denial{
			status: http.StatusForbidden, code: "cross_site_request", title: "This request came from another site",
			text: "For your safety it was not carried out. If you meant to do this, go back, reload the page and try again.",
		}
	}
	if p.route.require && !p.authenticated(ctx, up) {
		return p.mustLogIn()
	}
	return nil
}

// foreign reports whether the request would change something, or open a socket, on another site's behalf,
// as far as the browser says. Apps have no cookies that others could ride on.
func (p *passage) foreign() bool {
	if p.route.CrossSite {
		return false
	}
	socket := strings.EqualFold(p.req.Header("Upgrade"), "websocket")
	if safe(p.req.Method()) && !socket {
		return false
	}
	switch p.from {
	case sameOrigin, direct:
		return false
	case unsaid:
		return !socket && !p.e.native(p.req)
	}
	return true
}

// authenticated reports whether somebody is logged in. A legacy session that goes to the legacy
// application is judged there; before any other upstream the bridge is asked.
func (p *passage) authenticated(ctx context.Context, up *upstream) bool {
	v := &p.verdict
	switch {
	case v.session != nil:
		return v.session.Kind == session.Authenticated && !v.reader
	case v.known:
		return v.loggedIn
	case v.unjudged:
		return up.legacy
	case v.key == "":
		return false
	case up.legacy:
		return true
	}
	view, err := p.inspect(ctx, v.key)
	return err == nil && view.Found && !view.Ended && view.Kind == session.Authenticated
}

// loggedIn is authenticated for the page's eyes alone: while the bridge does not answer, whoever was
// logged in at the last entry still is.
func (p *passage) loggedIn(ctx context.Context) bool {
	v := &p.verdict
	switch {
	case v.unjudged:
		return p.visitor.LoggedIn
	case v.known || v.key == "":
		return v.loggedIn
	}
	view, err := p.inspect(ctx, v.key)
	if err != nil {
		return p.visitor.LoggedIn
	}
	if view.Found && !view.Ended {
		v.expires = view.Expires
	}
	return view.Found && !view.Ended && view.Kind == session.Authenticated
}

func (p *passage) mustLogIn() *denial {
	d := &denial{
		status: http.StatusUnauthorized, code: "login_required", title: "Please log in",
		text: "This page is for customers who are logged in.",
	}
	if d.program = p.route.json; d.program || !wantsPage(p.req) {
		return d
	}
	d.status, d.location = http.StatusSeeOther, p.route.login
	if safe(p.req.Method()) {
		d.status = http.StatusFound
		next := p.req.Path()
		if strings.HasPrefix(next, "//") {
			next = "/" + strings.TrimLeft(next, "/") // "//host" would be another site
		}
		if q := p.req.Query(); q != "" {
			next += "?" + q
		}
		d.location += "?" + p.e.cfg.Access.Next + "=" + url.QueryEscape(next)
	}
	return d
}

// wantsPage reports whether a person will look at the answer.
func wantsPage(req Request) bool {
	if dest := req.Header("Sec-Fetch-Dest"); dest != "" {
		return dest == "document" || dest == "iframe" || dest == "frame"
	}
	return strings.Contains(req.Header("Accept"), "text/html") && req.Header("X-Requested-With") == ""
}
