package edge

import (
	"time"

	"crossfade.dev/crossfade/edge/handover"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// describe makes the context's claims for the verdict, without the audience.
func (p *passage) describe() {
	c := contextjwt.Claims{
		System: systemClaim(p.verdict.plan.System),
		Arm:    armClaim(p.arm()), Epoch: p.standing.epoch, Mark: uint64(p.e.deps.Sessions.CurrentMark()),
		Return: p.verdict.ret,
		Lent:   p.verdict.plan.As == handover.LegacyTicket && p.verdict.plan.Legacy != handover.Set,
	}
	if p.tellsVisitor() {
		c.Visitor = contextjwt.ID(p.visitor.ID)
	}
	if s := p.verdict.session; s != nil {
		describeSession(&c, s, p.verdict.reader)
	}
	if c.Kind != contextjwt.Authenticated {
		d := p.device()
		c.Agent, c.Network = d.Agent, ""
		if d.Network.IsValid() {
			c.Network = d.Network.String()
		}
	}
	p.claims = c
}

// device is what a session that begins with this request is begun on.
func (p *passage) device() session.Device {
	return session.NewDevice(p.req.Header("User-Agent"), p.e.clientOf(p.peer.client))
}

// tellsVisitor reports whether applications may know this browser by its visitor id. One that was made up
// and cannot reach the browser they must not: a session stamped with it would look like somebody else's.
func (p *passage) tellsVisitor() bool {
	return p.came || p.settled || p.e.sealsCookies(p.req, p.from)
}

func describeSession(c *contextjwt.Claims, s *session.Session, reader bool) {
	c.Session, c.Lineage = contextjwt.ID(s.ID), contextjwt.ID(s.Lineage)
	c.Generation, c.Version, c.Kind = s.Generation, s.Version, contextjwt.Guest
	switch {
	case reader:
		c.ReadOnly = true
	case s.Kind == session.Authenticated:
		c.Kind, c.Subject, c.AuthTime = contextjwt.Authenticated, s.Subject, unix(s.AuthTime)
		c.Methods, c.Level = contextjwt.JoinMethods(s.Methods), s.Level
	case !s.Written:
		c.Unwritten = true
		c.GuestIssued, c.GuestExpires, c.GuestBorn = unix(s.Created), unix(s.ExpiresAt), uint64(s.Born)
	}
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func systemClaim(s rollout.System) contextjwt.System {
	if s == rollout.New {
		return contextjwt.New
	}
	return contextjwt.Legacy
}

func armClaim(s rollout.System) contextjwt.Arm {
	switch s {
	case rollout.New:
		return contextjwt.ArmNew
	case rollout.Legacy:
		return contextjwt.ArmLegacy
	}
	return contextjwt.ArmNone
}
