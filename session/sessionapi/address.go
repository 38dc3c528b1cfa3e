package sessionapi

import (
	"context"
	"net/netip"
	"time"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// address is the session that a call is about, and what the caller proved of it.
type address struct {
	client  string // its name
	role    Role
	id      session.ID         // zero: none, a new session is wanted
	fresh   bool               // the caller said so: an id of zeros
	context *contextjwt.Claims // nil if none was presented
}

// address reads a selector. For a service the context decides; legacy and admin name any session, and a
// context that comes along only tells on whose request. They ask for a new session with an empty selector
// or, in a request whose context names a session (one that this request has just ended), with an id of
// zeros and that context: the edge honours only a handoff that names what the context named.
func (a *API) address(ctx context.Context, c *knownClient, sel *sessionv1.Selector) (address, error) {
	out := address{client: c.name, role: c.role}
	var lineage session.Lineage
	var err error
	if s := sel.GetId(); s != "" {
		if out.id, err = session.ParseID(s); err != nil {
			return address{}, fault.Wrap(err, fault.Invalid, "session id %.40q is malformed", s)
		}
		out.fresh = out.id.IsZero()
	}
	if s := sel.GetLineage(); s != "" {
		if lineage, err = session.ParseLineage(s); err != nil {
			return address{}, fault.Wrap(err, fault.Invalid, "lineage %.40q is malformed", s)
		}
		if !out.id.IsZero() {
			return address{}, fault.New(fault.Invalid, "the selector has an id and a lineage").WithHint("send one of them")
		}
	}
	if token := sel.GetContext(); token != "" {
		if out.context, err = a.verifier.Verify(ctx, token, c.name); err != nil {
			return address{}, err
		}
	}
	if c.role == Service {
		return out.proven(lineage)
	}
	return a.named(ctx, out, lineage)
}

// proven is a service's address: the session of its context and nothing else.
func (d address) proven(lineage session.Lineage) (address, error) {
	if d.context == nil {
		return address{}, fault.New(fault.Denied, "a service acts only on the session whose context it presents").
			WithHint("send the request's header %s as session.context", contextjwt.Header)
	}
	sid := session.ID(d.context.Session)
	if d.fresh || (!d.id.IsZero() && d.id != sid) || (!lineage.IsZero() && lineage != session.Lineage(d.context.Lineage)) {
		return address{}, fault.New(fault.Denied, "the context is not that session's").
			WithHint("send the context alone")
	}
	if sid.IsZero() {
		return address{}, fault.New(fault.Precondition, "this visitor has no session in the new system").
			WithHint("sessions are read and written for visitors that the new system governs")
	}
	d.id = sid
	return d, nil
}

// named is the address of a caller that may name any session.
func (a *API) named(ctx context.Context, d address, lineage session.Lineage) (address, error) {
	switch {
	case !d.id.IsZero():
	case !lineage.IsZero():
		s, err := a.manager.ByLineage(ctx, lineage)
		if err != nil {
			return address{}, err
		}
		d.id = s.ID
	case d.context != nil && !d.fresh:
		d.id = session.ID(d.context.Session)
	}
	return d, nil
}

// ours reports whether the context is the addressed session's.
func (d address) ours() bool { return d.context != nil && session.ID(d.context.Session) == d.id }

// from is the session that the request's context named, for the handoff. Without a context it is the
// session that was addressed: the caller acts for the browser that has it.
func (d address) from() session.ID {
	if d.context != nil {
		return session.ID(d.context.Session)
	}
	return d.id
}

// proof is what the context says of a guest without a record; nil if it says no such thing.
func (d address) proof() *session.GuestProof {
	if !d.ours() || !d.context.Unwritten {
		return nil
	}
	return &session.GuestProof{
		ID: d.id, Visitor: session.VisitorID(d.context.Visitor),
		Issued: time.Unix(d.context.GuestIssued, 0), ExpiresAt: time.Unix(d.context.GuestExpires, 0),
		Born: session.Mark(d.context.GuestBorn),
	}
}

// device is what the context says of the browser; zero where it says nothing.
func (d address) device() session.Device {
	if d.context == nil {
		return session.Device{}
	}
	network, _ := netip.ParsePrefix(d.context.Network) // the zero prefix: not known
	return session.Device{Agent: d.context.Agent, Network: network}
}

// existing refuses an address that names no session.
func (d address) existing() error {
	if d.id.IsZero() {
		return fault.New(fault.Invalid, "no session is named").WithHint("send session.id, session.lineage or session.context")
	}
	return nil
}

// writable refuses a context that proves too little for a change: a read-only view, or a login that has
// changed since the request began. The latter is for services alone: legacy goes on writing in the very
// request that logs in.
func (a *API) writable(ctx context.Context, d address) error {
	if d.ours() && d.context.ReadOnly {
		return fault.New(fault.Precondition, "this request came with a session cookie that has been replaced by a login; it may only read").
			WithHint("let the browser send the request again with its present cookie")
	}
	if d.role != Service {
		return nil
	}
	s, err := a.manager.Get(ctx, d.id)
	switch {
	case fault.CodeOf(err) == fault.NotFound && d.context.Unwritten:
		return nil
	case err != nil:
		return err
	case !samePerson(d.context, s):
		return fault.New(fault.Precondition, "the session's login has changed since this request began").
			WithHint("let the browser send the request again")
	}
	return nil
}

// samePerson reports whether a session is still what a context says: after a login, a step-up or a change
// of subject the context of before proves no more than the guest's view.
func samePerson(c *contextjwt.Claims, s *session.Session) bool {
	return string(c.Kind) == s.Kind.String() && c.Subject == s.Subject && c.AuthTime == unix(s.AuthTime)
}
