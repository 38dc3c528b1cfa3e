package edge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/handoff"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// respond works on the upstream's response before it goes to the browser.
func (t *trip) respond(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols && !(isWebSocket(t.r.Header) && isWebSocket(res.Header)) {
		return errSwitched
	}
	handedOff, end, others := stripResponse(res.Header, res.Trailer)
	if !t.upstream.trusted && (handedOff != "" || end != "" || others) {
		t.count(CountUntrusted)
		handedOff, end = "", ""
	}
	switch {
	case t.route.Plain:
		t.answerPlain(res.Header)
	case t.tools.active:
		t.answerTools(t.r.Context(), res.Header)
	default:
		t.answered(t.r.Context(), t.upstream, res, handedOff, end)
	}
	if res.ContentLength < 0 && res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &trailerGuard{ReadCloser: res.Body, response: res}
	}
	t.e.streams.watch(t, res)
	t.handOver(res)
	return nil
}

// handOver moves the response's header lines to the browser's response. The proxy would copy them, with an
// allocation for each. What it still reads of them, whether to flush, it is told here.
func (t *trip) handOver(res *http.Response) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.proxy.FlushInterval = -1
	}
	to := t.Header()
	for name, values := range res.Header {
		if _, taken := to[name]; !taken {
			to[name] = values
			delete(res.Header, name)
		}
	}
}

var errSwitched = errors.New("the upstream switched to a protocol that nobody asked for")

func isWebSocket(h http.Header) bool { return strings.EqualFold(h.Get("Upgrade"), webSocket) }

// answered is the way back: what the upstream says about sessions is taken over, the cookies are written.
func (p *passage) answered(ctx context.Context, up *upstream, res *http.Response, handedOff, end string) {
	h := res.Header
	if end != "" {
		p.ended()
	}
	// A logout and then a login, or data for a guest, in one request: the end goes first.
	accepted := handedOff != "" && p.accept(ctx, handedOff, end != "")
	upstreamSets := p.judgeCookies(ctx, up, h, end != "" || accepted)
	p.refusedStranger(res.StatusCode)
	p.reach(res.StatusCode)
	wrote := p.write(h, upstreamSets)
	p.stamp(h, wrote)
}

// answerPlain lets no session cookie through where nobody asked for a session.
func (p *passage) answerPlain(h http.Header) {
	if lines := h["Set-Cookie"]; len(lines) > 0 && p.setsOurs(lines) {
		h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
			c := parseSetCookie(line, p.now)
			theirs := ownCookie(c.name) || c.name == p.e.cookies.names.legacy
			if theirs && (c.disguised || ownCookie(c.name)) {
				p.count(CountUntrusted)
			}
			return theirs
		})
	}
	h["Crossfade-Request"] = []string{p.id}
}

// stamp writes the headers that every response has.
func (p *passage) stamp(h http.Header, wrote bool) {
	if wrote {
		h["Cache-Control"] = []string{noStore}
		for name := range h {
			if overrulesCacheControl(name) {
				delete(h, name)
			}
		}
	}
	h["Crossfade-Epoch"] = p.standing.line(p.verdict.plan.System)
	h["Crossfade-Request"] = []string{p.id}
}

// overrulesCacheControl names the headers that some cache believes before Cache-Control. The vendors' own
// all end in its name: CDN-Cache-Control, Cloudflare-CDN-Cache-Control, Akamai-Cache-Control.
func overrulesCacheControl(name string) bool {
	const standard = "Cache-Control"
	switch name {
	case "Edge-Control", "Surrogate-Control", "X-Accel-Expires", "Expires":
		return true
	}
	at := len(name) - len(standard)
	return at > 0 && strings.EqualFold(name[at:], standard)
}

// accept takes over a session change that a trusted upstream reports: of the session that the context
// named, or after an end a new one that follows none.
func (p *passage) accept(ctx context.Context, text string, afterEnd bool) bool {
	h, err := handoff.Open(p.e.deps.Ring, text, p.now)
	follows := contextjwt.ID(h.From) == p.claims.Session || afterEnd && h.From.IsZero()
	if err != nil || !follows || p.verdict.plan.System != rollout.New || p.verdict.reader {
		p.count(CountBadHandoff)
		p.e.deps.Log.Warn("a handoff was not honoured", "request", p.id, "error", err)
		return false
	}
	p.gaveToStranger()
	w := &p.out
	w.session, w.token, w.tokenExpires = handover.Set, h.Token, keptUntil(h.Expires, h.Transient)
	p.putTicket(&ticket{
		Lineage: h.Lineage, Visitor: p.visitor.ID, Born: p.bornNow(ctx, h), Expires: h.LegacyExpires.Truncate(time.Second),
		Token: hashToken(h.Token), Key: h.LegacyKey, Subject: h.Subject, Transient: h.Transient,
	}, h.Subject != "")
	if p.jar.legacy.present() {
		w.legacy = handover.Drop
	}
	p.visitor.LoggedIn, p.visitor.Transient = h.Subject != "", h.Transient
	if h.Subject != "" {
		p.learn(h.Subject)
	}
	return true
}

// bornNow is the mark that a handed-off session is born at by now: "end all but this one", as after a new
// password, has it born again behind the handoff, and a ticket of before would be worth nothing. Where the
// store can't say, it is the mark that the context named: that of the login, or an older one.
func (p *passage) bornNow(ctx context.Context, h handoff.Handoff) session.Mark {
	named := session.Mark(p.claims.Mark)
	token, ok := session.ParseToken(h.Token)
	if h.Subject == "" || !ok {
		return named
	}
	s, err := storeCall(p.e, ctx, p.killed, func(ctx context.Context) (*session.Session, error) {
		s, _, err := p.e.deps.Sessions.Read(ctx, token.ID)
		return s, err
	})
	if err != nil {
		return named
	}
	return s.Born
}

// ended takes the session's cookies from the browser: a trusted upstream has ended it.
func (p *passage) ended() {
	w := &p.out
	w.session, w.ticket = dropPresent(&p.jar.session), dropPresent(&p.jar.ticket)
	w.legacy = dropPresent(&p.jar.legacy)
	p.visitor.LoggedIn = false
}

func dropPresent(v *values) handover.Cookie {
	if v.present() {
		return handover.Drop
	}
	return handover.Keep
}

// judgeCookies goes through what the upstream sets. Ours are never an upstream's to set, and the legacy
// session cookie is the legacy upstream's alone: any other could plant a stranger's session with it. It passes for a visitor whom legacy governs, and then our token goes in the same response;
// for a visitor whom new governs it is taken out, and if it is another session than the one that came, it
// is judged anew. Every other cookie, the CSRF cookie above all, is none of our business.
//
// It reports whether the upstream's own legacy cookie stays in the response.
func (p *passage) judgeCookies(ctx context.Context, up *upstream, h http.Header, settled bool) (stays bool) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 || !p.setsOurs(lines) {
		return false
	}
	kept := make([]string, 0, len(lines)+2)
	var fresh setCookie
	freshLine := ""
	for _, line := range lines {
		c := parseSetCookie(line, p.now)
		switch {
		case ownCookie(c.name):
			p.count(CountUntrusted)
		case c.name != p.e.cookies.names.legacy:
			kept = append(kept, line)
		case !up.legacy || c.disguised:
			p.count(CountUntrusted) // in disguise it would stand beside the real one
		case p.passesLegacy():
			kept, stays = append(kept, line), true
			p.legacySet(c)
		default:
			p.count(CountLegacyCookie)
			fresh, freshLine = c, line
		}
	}
	if !settled && freshLine != "" && !fresh.deletes && fresh.value != p.key && p.verdict.plan.Reason != handover.ReasonInFlight {
		if p.rejudge(ctx, fresh.value) {
			kept, stays = append(kept, freshLine), true
		}
	}
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
	} else {
		h["Set-Cookie"] = kept
	}
	return stays
}

// setsOurs is the quick look: most responses set cookies that nobody here cares about.
func (p *passage) setsOurs(lines []string) bool {
	for _, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		if name, _, _ := pairName(pair); name == p.e.cookies.names.legacy || ownCookie(name) {
			return true
		}
	}
	return false
}

// passesLegacy reports whether a legacy session cookie may reach this browser. For a request in flight
// while its session changed hands it may not: it would stand beside the winner's.
func (p *passage) passesLegacy() bool {
	return p.verdict.plan.System != rollout.New && p.verdict.plan.Reason != handover.ReasonInFlight
}

func (p *passage) legacySet(c setCookie) {
	if c.deletes {
		// A logout over there: nothing was lost, and what the browser still has of ours would undo it.
		p.visitor.LoggedIn = false
		p.out.session, p.out.ticket = dropPresent(&p.jar.session), dropPresent(&p.jar.ticket)
		return
	}
	p.gaveToStranger()
	p.dropToken(false) // one session per browser
}

// gaveToStranger says that a form of another site was given a session. Its cookies stayed at home, and none
// of ours can be written: the visitor's next page may take the session for somebody else's.
func (p *passage) gaveToStranger() {
	if p.e.sealsCookies(p.req, p.from) {
		return
	}
	p.count(CountCrossSiteIn)
	if p.e.strangers.due(p.now) {
		hint := "if it is a login or a payment that comes back, give its path a route with callback: true"
		if p.route.Callback {
			hint = "only a url-encoded form in UTF-8, of 1 MiB at most and not in a frame, can be posted again: let the other site send that"
		}
		p.e.deps.Log.Warn("a form of another site was given a session: the visitor's next page may not know it",
			"request", p.id, "route", p.route.Path, "path", p.req.Path(), "hint", hint)
	}
}

// rejudge judges a legacy session that appeared in the response for a visitor whom new governs, by the
// rules of an entry, and reports whether that legacy cookie stays. If it can't be taken over it does, and
// the token goes: it is what the visitor has just done.
func (p *passage) rejudge(ctx context.Context, key string) (stays bool) {
	before := p.verdict
	c := crossing{p: p, key: key, killed: p.killed}
	c.visit = handover.Visit{Governs: rollout.New, Entry: true, Token: handover.TokenOf(p.resolution), Legacy: handover.LegacyPresent}
	c.visit.Look = c.look(ctx)
	switch c.visit.Look {
	case handover.LookUnreachable:
		p.stayLegacy()
		return true
	case handover.LookMine, handover.LookUnstamped:
		c.visit.Look = handover.LookMine // stamped or not: it was made for this browser in this very response
		if c.visit.Token == handover.TokenAuth {
			// A login in this very response supersedes the one before.
			c.visit.Token = handover.TokenNone
		}
	}
	c.run(ctx)
	now := p.verdict
	p.verdict = before
	switch {
	case now.plan.System != rollout.New:
		p.stayLegacy()
		return true
	case now.plan.As == handover.NewSession:
		p.supersede(ctx, now.session)
		p.setToken(now.issued)
		p.out.related = true
		p.visitor.LoggedIn, p.visitor.Transient = now.loggedIn, now.transient
		p.handed()
		if s := now.session; s.Subject != "" {
			p.learn(s.Subject)
		}
	default:
		p.count(CountConflict)
	}
	if p.jar.legacy.present() {
		p.out.legacy = handover.Drop
	}
	return false
}

// supersede ends the login that another one in the same browser has taken the place of: no cookie leads to
// it any more, so nobody could ever log it out.
func (p *passage) supersede(ctx context.Context, by *session.Session) {
	old := p.resolution.Session
	if old == nil || p.resolution.Worth != session.WorthLive || old.Kind != session.Authenticated || by == nil || by.Lineage == old.Lineage {
		return
	}
	p.endLineage(ctx, old.Lineage, reasonSuperseded, false)
}

const reasonSuperseded = "superseded"

// stayLegacy leaves the browser with the legacy session that it just got.
func (p *passage) stayLegacy() {
	p.dropToken(false)
	if p.out.session != handover.Drop { // it was to be set by this very response
		p.out.session, p.out.ticket = dropPresent(&p.jar.session), dropPresent(&p.jar.ticket)
	}
	p.visitor.System = rollout.Legacy
	p.handed()
}

// reach notes a funnel step: once per visitor and epoch.
func (p *passage) reach(status int) {
	step := p.route.Step
	if step == 0 || status >= http.StatusBadRequest || p.visitor.Exposed.Arm == 0 || p.visitor.Exposed.Epoch != p.standing.epoch {
		return
	}
	if mask := uint64(1) << (step - 1); p.visitor.Steps&mask == 0 {
		p.visitor.Steps |= mask
		p.e.obs.Reached(Step{Step: step, Exposure: p.visitor.Exposed.told()})
	}
}
