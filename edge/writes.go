package edge

import (
	"net/http"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// writes is what the response does to the browser's cookies. Whatever arises on the way back (a handoff,
// a legacy login) changes it until the header leaves. What has no expiry the browser forgets when it is closed.
type writes struct {
	session, ticket, legacy, magic, tools handover.Cookie
	token                                 string
	tokenExpires                          time.Time
	ticketValue                           string
	ticketExpires                         time.Time
	legacyKey                             string
	legacyExpires                         time.Time
	magicValue                            string
	toolsValue                            string
	toolsExpires                          time.Time
	related                               bool // delete what goes with a legacy session
}

// settle works the verdict out into cookie writes and the visitor's record.
func (p *passage) settle() {
	v := &p.verdict
	w := &p.out
	switch v.plan.Token {
	case handover.Set:
		p.setToken(v.issued)
	case handover.Drop:
		p.dropToken(v.plan.Legacy == handover.Set)
	case handover.Keep:
		switch {
		case v.issued != nil:
			p.setToken(v.issued)
		case v.plan.As == handover.TokenSession && p.entry:
			p.renewTicket(v.session)
			p.keepCounterpart(v.session)
		}
	}
	switch v.plan.Legacy {
	case handover.Set:
		w.legacy, w.legacyKey, w.legacyExpires = handover.Set, v.key, keptUntil(v.expires, v.transient)
	case handover.Drop:
		w.legacy, w.related = handover.Drop, v.plan.System == rollout.New
	case handover.Keep:
		if p.entry && p.jar.legacy.n > 1 && v.plan.As == handover.LegacyPassed && v.key != "" {
			// Several came and one was live: from now on there is one.
			w.legacy, w.legacyKey, w.legacyExpires = handover.Set, v.key, keptUntil(p.now.Add(p.e.cfg.Handover.CounterpartLife), v.transient)
		}
	}
	p.record()
}

// setToken gives the browser a token, with the ticket that belongs to it.
func (p *passage) setToken(issued *session.Issued) {
	if issued == nil {
		return
	}
	w := &p.out
	w.session, w.token, w.tokenExpires = handover.Set, issued.Token, keptUntil(issued.Session.ExpiresAt, issued.Session.Transient)
	p.setTicket(issued.Session, issued.Token)
}

// keptUntil is until when the browser keeps a cookie; zero: until it is closed.
func keptUntil(expires time.Time, transient bool) time.Time {
	if transient {
		return time.Time{}
	}
	return expires
}

// dropToken deletes what came; where a legacy session is set in its place also what did not: a parallel
// answer may have set it meanwhile, and two may not stay.
func (p *passage) dropToken(always bool) {
	w := &p.out
	if always || p.jar.session.present() {
		w.session = handover.Drop
	}
	if always || p.jar.ticket.present() {
		w.ticket = handover.Drop
	}
}

// setTicket seals a ticket for a session's counterpart; without one an old ticket goes.
func (p *passage) setTicket(s *session.Session, token string) {
	t := ticket{
		Lineage: s.Lineage, Visitor: p.visitor.ID, Born: s.Born, Expires: s.LegacyExpires.Truncate(time.Second),
		Token: hashToken(token), Key: s.LegacyKey, Subject: s.Subject, Transient: s.Transient,
	}
	p.putTicket(&t, s.Kind == session.Authenticated)
}

func (p *passage) putTicket(t *ticket, authenticated bool) {
	w := &p.out
	useful := authenticated && t.Key != "" && t.Expires.After(p.now) && !p.standing.finished && !p.e.deps.Sessions.Denied(t.Lineage)
	if useful {
		if w.ticketValue = t.seal(p.e.deps.Ring); w.ticketValue != "" {
			w.ticket, w.ticketExpires = handover.Set, keptUntil(t.Expires, t.Transient)
			return
		}
	}
	w.ticketValue = ""
	w.ticket = handover.Keep
	if p.jar.ticket.present() {
		w.ticket = handover.Drop
	}
}

// renewTicket gives a live session the ticket that it should have: none came, or its counterpart has been
// touched or replaced since.
func (p *passage) renewTicket(s *session.Session) {
	if s == nil || s.Kind != session.Authenticated || p.resolution.Stale || p.resolution.Worth != session.WorthLive {
		return
	}
	if p.seen.knowsTicket(&p.jar.ticket, p.token, s) {
		return
	}
	if !p.mayNeedTicket() { // else it has been read
		p.openTicket(p.token)
	}
	t := p.ticket
	if p.backed && t.Key == s.LegacyKey && t.Transient == s.Transient && t.Expires.Equal(s.LegacyExpires.Truncate(time.Second)) && t.Lineage == s.Lineage {
		p.seen.noteTicket(&p.jar.ticket, p.token, s)
		return
	}
	p.setTicket(s, p.token)
}

// keepCounterpart has the counterpart touched behind the visitor's back, while there is a way back.
func (p *passage) keepCounterpart(s *session.Session) {
	if s != nil && !p.standing.finished && !p.killed && p.resolution.Worth == session.WorthLive && !p.resolution.Stale {
		p.e.upkeep.visit(s, p.now)
	}
}

// record brings the visitor's record up to date.
func (p *passage) record() {
	v, plan := &p.visitor, &p.verdict.plan
	changes := plan.Token != handover.Keep || plan.Legacy != handover.Keep
	if (p.entry || p.killed) && plan.Reason != handover.ReasonStoreDown && plan.As != handover.Denied {
		if changes || (v.System != 0 && v.System != plan.System) {
			p.handed()
		}
		v.System = plan.System
	}
	if p.decided && p.entry {
		v.Sticky = p.decision.Sticky
		p.expose()
	}
	if p.verdict.known && (p.entry || p.killed) {
		p.noteLogin(p.verdict.loggedIn)
	}
	if p.verdict.session != nil && p.verdict.session.Subject != "" {
		p.learn(p.verdict.session.Subject)
	}
}

// handed notes a handover. The record of one under a newer snapshot stands: whoever obeys it adds nothing.
func (p *passage) handed() {
	if !p.behind {
		p.visitor.handed(p.standing.version, p.now)
	}
}

// expose notes the visitor's first meeting with the experiment in this epoch, and that the cookie has
// come back.
func (p *passage) expose() {
	v, arm := &p.visitor, p.decision.Arm
	if arm == 0 || !p.magic.ID.IsZero() {
		return
	}
	switch x := &v.Exposed; {
	case x.Epoch != p.decision.Epoch || x.Arm != arm:
		*x = exposed{Epoch: p.decision.Epoch, Stage: stageByte(p.standing.stage), Arm: arm}
		v.Steps = 0
		p.e.obs.Exposed(x.told())
	case !x.Confirmed && p.came:
		x.Confirmed = true
		p.e.obs.Exposed(x.told())
	}
}

func stageByte(stage int) uint8 { return uint8(max(0, min(stage, 255))) }

func (x *exposed) told() Exposure {
	return Exposure{Epoch: x.Epoch, Stage: int(x.Stage), Arm: x.Arm, Confirmed: x.Confirmed}
}

// noteLogin counts a login that was lost: somebody was logged in, is a guest now, and nobody ended it.
func (p *passage) noteLogin(in bool) {
	if p.visitor.LoggedIn && !in && !p.closed() {
		switch p.resolution.Worth {
		case session.WorthEnded, session.WorthExpired:
		default:
			if r := p.verdict.plan.Reason; r != handover.ReasonRefused && r != handover.ReasonLineageEnded {
				p.count(CountLostLogin)
			}
		}
	}
	p.visitor.LoggedIn, p.visitor.Transient = in, in && p.verdict.transient
}

// closed reports whether the browser was closed since the last entry, and so forgot its session as it was meant to.
func (p *passage) closed() bool {
	return p.visitor.Transient && !p.jar.session.present() && !p.jar.legacy.present()
}

// learn seals what cohorts need to know of a subject into the visitor cookie.
func (p *passage) learn(subject string) {
	if p.e.deps.Facts == nil {
		return
	}
	f := p.e.deps.Facts(subject)
	p.visitor.Employee = f.Employee
	if p.visitor.Segment = f.Segment; len(f.Segment) > MaxSegment {
		p.visitor.Segment = ""
	}
}

// write puts the cookies on the response and reports whether there was any. upstreamSets says that the
// upstream itself sets or deletes the legacy cookie in this response, and that this counts.
func (p *passage) write(h http.Header, upstreamSets bool) bool {
	if !p.e.sealsCookies(p.req, p.from) {
		return false
	}
	before := len(h["Set-Cookie"])
	c, w := p.e.cookies, &p.out
	switch {
	case w.legacy == handover.Set && !upstreamSets:
		c.setLegacy(h, w.legacyKey, p.life(w.legacyExpires))
	case w.legacy == handover.Drop && !upstreamSets:
		c.dropLegacy(h)
	case w.legacy != handover.Keep:
		c.dropLegacyVariants(h)
	}
	if w.related {
		c.dropRelated(h)
	}
	p.put(h, c.names.session, w.session, w.token, w.tokenExpires)
	p.put(h, c.names.ticket, w.ticket, w.ticketValue, w.ticketExpires)
	p.put(h, c.names.magic, w.magic, w.magicValue, p.magic.Expires)
	p.put(h, c.names.tools, w.tools, w.toolsValue, w.toolsExpires)
	p.writeVisitor(h)
	return len(h["Set-Cookie"]) > before
}

func (p *passage) put(h http.Header, name string, what handover.Cookie, value string, expires time.Time) {
	switch what {
	case handover.Set:
		p.e.cookies.set(h, name, value, p.life(expires))
	case handover.Drop:
		p.e.cookies.drop(h, name)
	}
}

// life is how long a browser is to keep a cookie.
func (p *passage) life(expires time.Time) time.Duration {
	if expires.IsZero() {
		return untilClosed
	}
	return max(expires.Sub(p.now), 0)
}

func (p *passage) writeVisitor(h http.Header) {
	aged := p.now.Sub(time.Unix(int64(p.before.IssuedAt), 0)) > visitorRefresh
	if p.came && p.visitor == p.before && !aged {
		return
	}
	p.visitor.IssuedAt = uint32(p.now.Unix())
	p.e.cookies.set(h, p.e.cookies.names.visitor, p.visitor.encode(p.e.deps.Ring), visitorLife)
}
