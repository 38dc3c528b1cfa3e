package edge

import (
	"context"
	"errors"
	"net"
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// crossing carries one handover out: it asks [handover.Next], does what that says, adds the outcome and
// asks again until there is a verdict. It decides nothing itself.
type crossing struct {
	p     *passage
	visit handover.Visit
	key   string // the legacy key that is judged
	// killed chooses the deadlines: under the kill switch the store gets little time.
	killed bool

	view       *legacy.View
	succession *session.Succession
	exchanged  session.Exchanged
	claim      session.Claim
	lineage    session.Lineage // of whatever was refused
}

// maxOperations is more than [handover.Next] ever asks for; beyond it something is badly wrong.
const maxOperations = 6

// cross comes to the verdict for a request.
func (p *passage) cross(ctx context.Context) {
	c := crossing{p: p, key: p.key, killed: p.killed}
	c.visit = handover.Visit{
		Governs: p.governs, Entry: p.entry, Killed: p.killed, Frozen: p.frozen,
		Token: handover.TokenOf(p.resolution), Ticket: p.backed,
	}
	switch {
	case c.key != "":
		c.visit.Legacy = handover.LegacyPresent
	case p.keys == unclear && p.nothingBut(c.visit.Token):
		c.passUnjudged(ctx)
		return
	case p.keys == dead && p.jar.legacy.present() && p.entry && p.governs == rollout.New:
		c.visit.Legacy, c.visit.Look = handover.LegacyPresent, handover.LookGone // none of them may stay beside ours
	}
	c.run(ctx)
}

func (c *crossing) run(ctx context.Context) {
	plan := handover.Next(c.visit, c.p.route.policy)
	for range maxOperations {
		if plan.Op == handover.Serve {
			break
		}
		if plan.Op == handover.Inspect && !c.affordable() {
			c.hold()
		} else {
			c.operate(ctx, plan.Op)
		}
		plan = handover.Next(c.visit, c.p.route.policy)
	}
	if plan.Op != handover.Serve {
		c.p.e.deps.Log.Error("handover came to no verdict", "request", c.p.id, "visit", c.visit, "operation", plan.Op)
		plan = handover.Plan{System: c.p.governs, As: handover.Nobody, Reason: handover.ReasonStoreDown}
	}
	c.conclude(ctx, plan)
}

func (c *crossing) operate(ctx context.Context, op handover.Op) {
	start := c.p.e.deps.Clock()
	outcome := ""
	switch op {
	case handover.Inspect:
		c.visit.Look = c.look(ctx)
		outcome = map[bool]string{true: "unreachable", false: "done"}[c.visit.Look == handover.LookUnreachable]
	case handover.Succeed:
		c.visit.Succession = c.succeed(ctx)
		outcome = map[bool]string{true: "unreachable", false: "done"}[c.visit.Succession == handover.SuccessionUnknown]
	case handover.Exchange, handover.TakeOver, handover.Reopen:
		c.visit.Exchanged = c.exchange(ctx, op)
		outcome = outcomeName(c.visit.Exchanged)
	case handover.Restore:
		c.visit.Restored = c.restore(ctx)
		outcome = outcomeName(c.visit.Restored)
	}
	c.p.e.obs.Operated(Operated{Name: op.String(), Outcome: outcome, Duration: c.p.e.deps.Clock().Sub(start)})
}

func outcomeName(o handover.Outcome) string {
	return [...]string{"not-tried", "done", "refused", "absent", "unreachable"}[o]
}

// look asks the bridge about the legacy cookie and compares what it says with the token and the browser.
func (c *crossing) look(ctx context.Context) handover.Look {
	view, err := c.p.e.inspect(ctx, c.key)
	if err != nil {
		c.p.e.bridgeTrouble(c.p.id, err)
		return handover.LookUnreachable
	}
	c.p.proved(view)
	c.view = &view
	if !view.Found || view.Ended {
		return handover.LookGone
	}
	c.p.adopt(view.Visitor)
	held := c.p.resolution.Session
	if held != nil && !view.Lineage.IsZero() && view.Lineage == held.Lineage {
		if view.Moved {
			return handover.LookSameMoved
		}
		c.p.e.presented(ctx, c.key)
		return handover.LookSameLineage
	}
	if held != nil && held.Kind == session.Authenticated && view.Kind == session.Authenticated && view.Subject == held.Subject {
		return handover.LookSameSubject
	}
	switch stamped := !view.Visitor.IsZero(); {
	case stamped && view.Visitor != c.p.visitor.ID:
		return handover.LookTheirs
	case view.Kind != session.Authenticated:
		return handover.LookAnonymous
	case stamped:
		return handover.LookMine
	}
	return handover.LookUnstamped
}

// succeed asks the session plane what became of the legacy key. It is asked whatever this edge knows of a
// rollout: a magic cookie moves visitors before one starts, and another edge may know more.
func (c *crossing) succeed(ctx context.Context) handover.Succession {
	s, err := c.ask(ctx)
	switch {
	case err != nil:
		return handover.SuccessionUnknown
	case s.Ended:
		return handover.SuccessionEnded
	case s.Moved && s.Open:
		return handover.SuccessionOpen
	case s.Moved:
		return handover.SuccessionClosed
	case s.Known:
		c.p.e.presented(ctx, c.key)
	}
	return handover.SuccessionFree
}

// ask is the succession of the key that is judged, asked once.
func (c *crossing) ask(ctx context.Context) (session.Succession, error) {
	if c.succession != nil {
		return *c.succession, nil
	}
	s, err := storeCall(c.p.e, ctx, c.killed, func(ctx context.Context) (session.Succession, error) {
		return c.p.e.deps.Sessions.Succession(ctx, c.key)
	})
	if err == nil {
		c.succession = &s
	}
	return s, err
}

// conclude turns the final plan into the verdict.
func (c *crossing) conclude(ctx context.Context, plan handover.Plan) {
	v := &c.p.verdict
	*v = verdict{plan: plan}
	if plan.EndLineage {
		c.end(ctx, "legacy refused: "+string(plan.Reason), true)
	}
	held := c.p.resolution.Session
	switch plan.As {
	case handover.TokenSession, handover.TokenReader:
		v.session, v.reader = held, plan.As == handover.TokenReader
		if plan.Reason != handover.ReasonInFlight {
			v.issued = c.p.resolution.Replace
		}
	case handover.NewSession:
		v.issued = &c.exchanged.Issued
		v.session = v.issued.Session
	case handover.LegacyPassed:
		v.key = c.key
		if c.view != nil && c.view.Found && !c.view.Ended {
			v.expires, v.transient = c.view.Expires, c.view.Transient
		}
		if plan.Token == handover.Drop && c.visit.Look == handover.LookSameSubject && held != nil {
			c.p.endLineage(ctx, held.Lineage, reasonSuperseded, false)
		}
	case handover.LegacyRestored:
		back := c.claim.Session
		v.key = c.claim.Key
		if v.key == "" && held != nil { // moved earlier; the bridge could not be asked to bring it back
			v.key, back = held.LegacyKey, held
		}
		v.expires, v.transient = expiry(back), back != nil && back.Transient
	case handover.LegacyTicket:
		v.key, v.expires, v.transient = c.p.ticket.Key, c.p.ticket.Expires, c.p.ticket.Transient
	}
	if v.session != nil {
		v.transient = v.session.Transient
	}
	if plan.Return && v.key != "" {
		var ended bool
		if v.ret, ended = c.returning(ctx, v.key); ended && plan.As == handover.LegacyPassed {
			v.key = "" // also while legacy cannot be told
		}
	}
	if plan.Guest {
		issued := c.p.e.deps.Sessions.NewGuest(c.p.visitor.ID)
		v.issued, v.session = &issued, issued.Session
	}
	v.known, v.loggedIn = c.login(v)
}

// login says whether the verdict serves somebody who is logged in, where that is known.
func (c *crossing) login(v *verdict) (known, in bool) {
	switch {
	case v.session != nil:
		return !v.reader, v.session.Kind == session.Authenticated
	case v.plan.As == handover.LegacyRestored && c.claim.Session != nil:
		return true, c.claim.Session.Kind == session.Authenticated
	case v.plan.As == handover.LegacyTicket:
		return true, true
	case v.plan.As == handover.LegacyPassed:
		if c.view != nil && c.view.Found {
			return true, c.view.Kind == session.Authenticated
		}
		return false, false
	case v.plan.As == handover.Nobody:
		switch v.plan.Reason {
		case handover.ReasonStoreDown, handover.ReasonBridgeDown, handover.ReasonInFlight:
			return false, false
		}
		return true, false
	}
	return false, false
}

// freeToReturn is claim "ret" for a key that has no successor. The legacy side may then serve a row that
// it marked as moved in an exchange that never completed here: its answer, or the edge, was lost before
// the new session was written, and without this the visitor's only session would be locked away.
//
// On the wire it is 32 times "f" (ARCHITECTURE.md, Context), which no lineage is.
var freeToReturn = [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// end ends what is left of the lineage that was refused.
func (c *crossing) end(ctx context.Context, reason string, legacyDone bool) {
	lineage := c.lineage
	if lineage.IsZero() && c.p.resolution.Session != nil {
		lineage = c.p.resolution.Session.Lineage
	}
	if lineage.IsZero() {
		return
	}
	c.p.endLineage(ctx, lineage, reason, legacyDone)
}

// endLineage ends a lineage, even if the visitor goes away meanwhile. A store that does not answer keeps
// nobody from being served.
func (p *passage) endLineage(ctx context.Context, lineage session.Lineage, reason string, legacyDone bool) {
	_, err := storeWrite(p.e, context.WithoutCancel(ctx), p.killed, func(ctx context.Context) (session.Ended, error) {
		return p.e.deps.Sessions.End(ctx, session.End{Lineage: lineage, Reason: reason, LegacyDone: legacyDone})
	})
	if err != nil {
		p.count(CountEndFailed)
		p.e.deps.Log.Error("a lineage could not be ended", "request", p.id, "lineage", lineage.String(), "reason", reason, "error", err)
	}
}

func expiry(s *session.Session) time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.ExpiresAt
}

// certainlyNot reports whether a bridge call that failed has certainly changed nothing over there: no
// connection was made, or legacy refused the call as such.
func certainlyNot(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	switch fault.CodeOf(err) {
	case fault.Denied, fault.Invalid, fault.Exhausted:
		return true
	}
	return false
}
