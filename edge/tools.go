package edge

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// toolsVisit is a request to a declared internal tool. It bypasses rollout, kill switch and decision: no
// failure of the migration locks staff out. The tool's session has a cookie name of its own in the
// browser and legacy's name behind the edge.
type toolsVisit struct {
	active bool
	plain  bool // the visitor's own legacy cookie serves, under its own name in both directions
}

// useTools finds the legacy session for an internal tool. First that applies: the tools cookie; a tools
// session made for whoever is logged in on new; the legacy cookie that came; nothing, and the tool asks to
// log in.
func (p *passage) useTools(ctx context.Context) {
	p.tools.active = true
	p.jar.read(p.req.Values("Cookie"), &p.e.cookies.names)
	p.from = p.e.originOf(p.req)
	p.readVisitor()
	v := &p.verdict
	v.plan = handover.Plan{System: rollout.Legacy, As: handover.LegacyPassed, Reason: "tools"}
	switch {
	case p.jar.tools.present():
		v.key, _ = p.jar.tools.pick(func(string) life { return dead })
	case p.jar.session.present() && p.makeTools(ctx):
	case p.jar.legacy.present():
		p.pickLegacy(ctx)
		v.key, v.unjudged = p.key, p.keys == unclear
		p.tools.plain = !p.jar.session.present()
	}
	p.claims = contextjwt.Claims{
		System: contextjwt.Legacy, Arm: contextjwt.ArmNone,
		Epoch: p.standing.epoch, Mark: uint64(p.e.deps.Sessions.CurrentMark()), Tools: true,
	}
	if p.tellsVisitor() {
		p.claims.Visitor = contextjwt.ID(p.visitor.ID)
	}
}

// makeTools has the bridge make a tools session of the same lineage for whoever is logged in. It reports
// failure without an error: the tool then asks for a login, as it would without Crossfade.
func (p *passage) makeTools(ctx context.Context) bool {
	token, _ := p.jar.session.pick(func(s string) life { return p.e.lifeOfToken(ctx, s, true) })
	if token == "" {
		return false
	}
	r := p.e.resolve(ctx, token, true) // with the short deadline: this must work while the store is down
	if r.Worth != session.WorthLive || r.Session.Kind != session.Authenticated {
		return false
	}
	if !p.mayAsk() {
		return false
	}
	s := r.Session
	out, _, _ := p.e.flights.Do("tools\x00"+string(s.ID[:]), func() (any, error) {
		return p.e.makeTools(context.WithoutCancel(ctx), s, p.id), nil
	})
	key := out.(string)
	if key == "" {
		return false
	}
	p.count(CountTools)
	p.verdict.key = key
	p.out.tools, p.out.toolsKey, p.out.toolsExpires = handover.Set, key, s.ExpiresAt
	return true
}

func (e *Edge) makeTools(ctx context.Context, s *session.Session, request string) string {
	start := e.deps.Clock()
	key, outcome := e.freshKey(), "done"
	claim := session.Claim{Session: s}
	attributes, err := storeCall(e, ctx, true, func(ctx context.Context) (map[string]session.Attribute, error) {
		_, attributes, err := e.deps.Sessions.Read(ctx, s.ID)
		return attributes, err
	})
	if err == nil {
		var answer legacy.RestoreAnswer
		answer, err = e.bridgeRestore(ctx, claim, legacy.Tools, key, legacy.Operation(e.random16()), attributes)
		if err == nil && !answer.Restored {
			key, outcome = "", "refused"
		}
	}
	if err != nil {
		key, outcome = "", "unreachable"
		e.deps.Log.Warn("no tools session could be made; the tool asks for a login", "request", request, "error", err)
	}
	e.obs.Operated(Operated{Name: "tools", Outcome: outcome, Duration: e.deps.Clock().Sub(start)})
	return key
}

// freshKey is a random legacy session key.
func (e *Edge) freshKey() string {
	var random [32]byte
	if _, err := io.ReadFull(e.deps.Rand, random[:]); err != nil {
		_, _ = rand.Read(random[:]) // never fails
	}
	return legacyKeyOf(random)
}

// answerTools renames the session cookie that the tool sets.
func (p *passage) answerTools(h http.Header) {
	names := &p.e.cookies.names
	lines, sets := h["Set-Cookie"], false
	kept := make([]string, 0, len(lines)+1)
	for _, line := range lines {
		c := parseSetCookie(line, p.now)
		switch {
		case ownCookie(c.name), c.name == names.legacy && c.disguised:
			p.count(CountUntrusted)
		case c.name != names.legacy || p.tools.plain:
			kept = append(kept, line)
		default:
			sets = true
			if p.e.sealsCookies(p.req, p.from) {
				kept = append(kept, p.e.cookies.rename(c, names.tools))
			}
		}
	}
	if sets {
		p.out.tools = handover.Keep // what the tool says counts
	}
	if len(kept) > 0 {
		h["Set-Cookie"] = kept
	} else {
		delete(h, "Set-Cookie")
	}
	wrote := p.write(h, false)
	p.stamp(h, wrote || sets)
}
