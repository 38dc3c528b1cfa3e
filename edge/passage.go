package edge

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// passage is one request on its way through the edge: what came, what is known, and what is to be done.
// The steps fill it from top to bottom. It belongs to one request and is used by one goroutine.
type passage struct {
	e        *Edge
	req      Request
	now      time.Time
	id       string // to quote to support
	route    *route
	standing *standing
	from     origin
	peer     forwarded
	client   netip.Addr // set when it was asked for
	ask      ask

	jar     jar
	seen    *seen   // whom the visitor cookie tells; nil: nobody
	visitor visitor // as it will be written
	before  visitor // as it came
	came    bool    // a visitor cookie came and verifies
	settled bool    // the id of a lost visitor cookie was found in a session
	vid     string  // the visitor id in hex
	magic   rollout.Magic
	token   string  // the session token that counts
	tokens  life    // what is known of all that came
	key     string  // the legacy key that counts
	keys    life    // what is known of all legacy keys that came
	ticket  *ticket // the one that came; nil: none that opens, or nobody asked
	backed  bool    // it may be honoured

	entry, killed, frozen, behind, decided bool
	governs                                rollout.System
	decision                               rollout.Decision
	resolution                             session.Resolution

	verdict verdict
	claims  contextjwt.Claims
	out     writes
	tools   toolsVisit
}

// verdict is the plan that was come to, with what carrying it out brought.
type verdict struct {
	plan handover.Plan
	// session is whom the request is served as on the new side; nil: nobody, or legacy's affair.
	session *session.Session
	reader  bool            // its read-only guest view
	issued  *session.Issued // a token that the browser is to carry from now on
	// key is what legacy gets as its session cookie; empty: none. expires is for the browser.
	key     string
	expires time.Time
	// transient: the browser keeps whatever session this is until it is closed.
	transient bool
	// unjudged: legacy gets all of its session cookies as they came, and judges them itself.
	unjudged        bool
	ended           []string // but for these
	ret             contextjwt.ID
	loggedIn, known bool // whether somebody is logged in, if that is known
}

// begin reads what came and finds who governs. It does no I/O, unless one name came with several values.
func (e *Edge) begin(ctx context.Context, p *passage, entry bool) {
	p.jar.read(p.req.Values("Cookie"), &e.cookies.names)
	p.from = e.originOf(p.req)
	p.entry = entry && e.sealsCookies(p.req, p.from)
	p.readVisitor()
	p.readMagic()
	p.pickLegacy(ctx)
	p.govern()
}

// readVisitor takes the visitor cookie, or makes up a new visitor.
func (p *passage) readVisitor() {
	for _, text := range p.jar.visitor.list() {
		v := p.e.visitors.open(text)
		switch {
		case v == nil:
			p.count(CountBadCookie)
		case p.came && v.visitor != p.before:
			// Two good ones: nobody can tell which is this browser's.
			p.count(CountDuplicate)
			p.came, p.before, p.seen = false, visitor{}, nil
		default:
			p.came, p.before, p.seen = true, v.visitor, v
		}
		if !p.came && v != nil {
			break
		}
	}
	p.visitor = p.before
	if !p.came {
		p.visitor = visitor{ID: session.VisitorID(p.e.random16())}
	}
	p.vid = p.visitor.ID.String()
}

// adopt gives a browser that lost its visitor cookie the id that its session knows it by, and reports
// whether it did.
func (p *passage) adopt(v session.VisitorID) bool {
	if p.came || p.settled || v.IsZero() {
		return false
	}
	p.settled = true
	p.visitor.ID = v
	p.vid = v.String()
	return true
}

// resolve finds what the presented token is worth.
func (p *passage) resolve(ctx context.Context) {
	if p.route.Strict {
		ctx = session.Strictly(ctx)
	}
	p.token, p.tokens = p.jar.session.pick(func(s string) life { return p.e.lifeOfToken(ctx, s, p.killed) })
	if p.jar.session.n > 1 {
		p.count(CountDuplicate)
	}
	switch {
	case p.tokens == unclear:
		p.resolution = session.Resolution{Worth: session.WorthUnknown}
		return
	case p.token == "":
		return
	}
	p.resolution = p.e.resolve(ctx, p.token, p.killed)
	if p.resolution.Stale && !p.route.stale {
		p.resolution = session.Resolution{Worth: session.WorthUnknown}
	}
	if s := p.resolution.Session; s != nil && p.adopt(s.Visitor) {
		p.magic = rollout.Magic{} // it may be bound to that id
		p.readMagic()
		p.govern()
	}
}

// lifeOfToken judges one of several tokens.
func (e *Edge) lifeOfToken(ctx context.Context, token string, killed bool) life {
	switch e.resolve(ctx, token, killed).Worth {
	case session.WorthLive:
		return live
	case session.WorthUnknown:
		return unclear
	}
	return dead
}

// readTicket sees whether the ticket counts, where a plan may ask for it.
func (p *passage) readTicket() {
	switch {
	case p.tokens == unclear:
		p.openTicket(p.jar.session.list()...)
	case p.token != "" && p.mayNeedTicket():
		p.openTicket(p.token)
	}
}

// mayNeedTicket says no for what nearly every request is: one of a live session that stays where it is. At
// an entry such a session may yet get another ticket, see renewTicket.
func (p *passage) mayNeedTicket() bool {
	return p.killed || p.resolution.Worth != session.WorthLive || p.entry && p.governs != rollout.New
}

// openTicket reads the ticket, and sees whether it counts beside one of the tokens.
func (p *passage) openTicket(tokens ...string) {
	for _, text := range p.jar.ticket.list() {
		t := p.e.tickets.open(text)
		if t == nil {
			p.count(CountBadCookie)
			continue
		}
		if p.ticket != nil {
			p.backed = false
			return
		}
		p.ticket = t
		p.backed = slices.ContainsFunc(tokens, func(token string) bool { return p.e.honoured(t, token, p.now) })
	}
}

// pickLegacy chooses the legacy key that counts. Of several values the bridge says which one is live.
func (p *passage) pickLegacy(ctx context.Context) {
	if p.jar.legacy.n > 1 {
		p.count(CountDuplicate)
	}
	p.key, p.keys = p.jar.legacy.pick(func(s string) life {
		switch view, err := p.inspect(ctx, s); {
		case err != nil:
			return unclear
		case view.Found && !view.Ended:
			return live
		}
		return dead
	})
}

// arm is the visitor's in the statistics; none for whom chance did not choose.
func (p *passage) arm() rollout.System {
	switch {
	case !p.magic.ID.IsZero():
		return 0
	case p.decided:
		return p.decision.Arm
	case p.visitor.Exposed.Epoch == p.standing.epoch:
		return p.visitor.Exposed.Arm
	}
	return 0
}

func (p *passage) count(c Count) { p.e.obs.Counted(c, p.arm()) }
