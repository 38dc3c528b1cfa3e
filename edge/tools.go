package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"time"

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
	plain  bool          // the visitor's own legacy cookie serves, under its own name in both directions
	held   *toolsSession // the tools session that serves; nil: none does
}

// useTools finds the legacy session for an internal tool. First that applies: the tools cookie, if nothing has
// ended it; a tools session made for whoever is logged in on new; the legacy cookie that came; nothing, and
// the tool asks to log in.
func (p *passage) useTools(ctx context.Context) {
	p.tools.active = true
	p.jar.read(p.req.Values("Cookie"), &p.e.cookies.names)
	p.from = p.e.originOf(p.req)
	p.readVisitor()
	v := &p.verdict
	v.plan = handover.Plan{System: rollout.Legacy, As: handover.LegacyPassed, Reason: "tools"}
	switch {
	case p.jar.tools.present() && p.holdTools(ctx):
	case p.jar.session.present() && p.makeTools(ctx):
	case p.jar.legacy.present():
		p.pickLegacy(ctx)
		v.key, v.unjudged = p.key, p.keys == unclear
		p.tools.plain = !p.jar.session.present()
	}
	if p.jar.tools.present() && p.tools.held == nil {
		p.out.tools = handover.Drop
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
	t := toolsSession{Key: key, Lineage: s.Lineage, Subject: s.Subject, Born: s.Born, Expires: keptUntil(s.ExpiresAt.Truncate(time.Second), s.Transient), Known: true}
	p.serveTools(&t)
	p.setTools(&t)
	return true
}

// holdTools finds the tools session of the cookie that came, and reports whether it serves. It needs neither
// store nor bridge, but for a session that legacy could not be asked about when it began, and for one that a
// mark has come over: legacy says whether it was born again since, as after a new password.
func (p *passage) holdTools(ctx context.Context) bool {
	text, _ := p.jar.tools.pick(func(text string) life {
		if t := p.e.tools.open(text); t == nil || p.e.toolsOver(t, p.now) || p.e.toolsMarked(t) {
			return dead
		}
		return live
	})
	came := p.e.tools.open(text)
	switch {
	case p.jar.tools.n > 1 && text == "":
		p.count(CountDuplicate)
		return false
	case came == nil:
		p.count(CountBadCookie)
		return false
	case p.e.toolsOver(came, p.now):
		return false
	}
	void := p.e.endedElsewhere(ctx, came)
	marked := p.e.toolsMarked(came)
	if void && !marked {
		return false
	}
	if came.Known && !marked {
		p.serveTools(came)
		return true
	}
	t := *came // what came is shared
	if view, ok := p.whoseTools(ctx, t.Key, marked); ok {
		if !t.learn(view, p.e.deps.Sessions.CurrentMark()) || p.e.toolsOver(&t, p.now) || p.e.toolsMarked(&t) {
			return false
		}
		p.setTools(&t)
	} else if marked {
		return false
	}
	p.serveTools(&t)
	return true
}

func (p *passage) serveTools(t *toolsSession) { p.tools.held, p.verdict.key = t, t.Key }

// setTools gives the browser a tools session.
func (p *passage) setTools(t *toolsSession) {
	value := t.seal(p.e.deps.Ring)
	if value == "" {
		return
	}
	p.out.tools, p.out.toolsValue, p.out.toolsExpires = handover.Set, value, t.Expires
}

// whoseTools asks legacy whose a session is. After a bridge that did not answer it waits a little, unless the
// answer is all that could still save the session.
func (p *passage) whoseTools(ctx context.Context, key string, urgent bool) (legacy.View, bool) {
	if !urgent && p.now.UnixNano() < p.e.toolsPaused.Load() {
		return legacy.View{}, false
	}
	view, err := p.inspect(ctx, key)
	if err == nil {
		return view, true
	}
	if !errors.Is(err, errOverBudget) && ctx.Err() == nil {
		p.e.toolsPaused.Store(p.now.Add(toolsPause).UnixNano())
		p.e.bridgeTrouble(p.id, err)
	}
	return legacy.View{}, false
}

// toolsPause spares staff a bridge that hangs: not every one of their pages waits for it.
const toolsPause = 2 * time.Second

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

// answerTools seals the session cookie that the tool sets under a name of its own.
func (p *passage) answerTools(ctx context.Context, h http.Header) {
	names := &p.e.cookies.names
	lines, sets := h["Set-Cookie"], false
	kept := make([]string, 0, len(lines)+1)
	var last setCookie // of several the browser would keep this one
	for _, line := range lines {
		c := parseSetCookie(line, p.now)
		switch {
		case ownCookie(c.name), c.name == names.legacy && c.disguised:
			p.count(CountUntrusted)
		case c.name != names.legacy || p.tools.plain:
			kept = append(kept, line)
		default:
			sets, last = true, c
		}
	}
	if sets && p.e.sealsCookies(p.req, p.from) {
		p.out.tools = handover.Keep // what the tool says counts
		if line := p.sealTools(ctx, last); line != "" {
			kept = append(kept, line)
		} else {
			p.out.tools = dropPresent(&p.jar.tools)
		}
	}
	if len(kept) > 0 {
		h["Set-Cookie"] = kept
	} else {
		delete(h, "Set-Cookie")
	}
	wrote := p.write(h, false)
	p.stamp(h, wrote || sets)
}

// sealTools is the line for the session that the tool sets, with the life that it gives it; empty: none, the
// tool has ended it. Whose it is legacy says, and while it can't, it is nobody's that was not ended before this
// request.
func (p *passage) sealTools(ctx context.Context, c setCookie) string {
	if c.deletes {
		return ""
	}
	t := toolsSession{Key: c.value, Born: session.Mark(p.claims.Mark), Expires: c.expires}
	if held := p.tools.held; held != nil && held.Key == c.value {
		t = *held
		t.Expires = c.expires
	}
	if !t.Known || t.Subject == "" { // the same key may have got an owner
		if view, ok := p.whoseTools(ctx, t.Key, false); ok {
			if known := t; known.learn(view, p.e.deps.Sessions.CurrentMark()) {
				t = known
			}
		}
	}
	if c.value = t.seal(p.e.deps.Ring); c.value == "" {
		p.e.deps.Log.Error("a tool's session key fits into no cookie of ours: the tool cannot log anybody in",
			"request", p.id, "route", p.route.Path, "bytes", len(t.Key), "most", maxToolsText,
			"hint", "let legacy keep its sessions on the server, each under a key of at most this length without spaces, quotes and commas")
		return ""
	}
	return p.e.cookies.rename(c, p.e.cookies.names.tools)
}
