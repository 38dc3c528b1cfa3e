package sessionapi

import (
	"context"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/handoff"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// End ends sessions. A service ends the lineage of its own context; legacy and admin any.
func (a *API) End(ctx context.Context, in *sessionv1.EndRequest) (*sessionv1.EndResponse, error) {
	client, err := allow(ctx, Service, Legacy, Admin)
	if err != nil {
		return nil, err
	}
	if in.GetReason() == "" {
		return nil, fault.New(fault.Invalid, "no reason is given").WithHint("say why in a word or two: it is kept with the session")
	}
	if in.GetLegacyDone() && client.role != Legacy {
		return nil, fault.New(fault.Denied, "only the legacy system can say that it has ended its side")
	}
	e, err := a.end(ctx, client, in)
	if err != nil {
		return nil, err
	}
	if client.role == Admin && in.GetAuthor() != "" {
		e.Reason += " (by " + in.GetAuthor() + ")" // legacy and whoever looks at the session read it there
		ctx = session.By(ctx, string(client.role)+" "+in.GetAuthor())
	}
	done, err := a.manager.End(ctx, e)
	if err != nil {
		return nil, err
	}
	if client.role == Admin && a.cfg.Ended != nil {
		a.cfg.Ended(ctx, operatorEnd(client.name, in, e, done))
	}
	return &sessionv1.EndResponse{Ended: uint64(done.Sessions), Outstanding: uint64(done.Outstanding), Mark: uint64(done.Mark)}, nil
}

// OperatorEnd is an end that an operator made, for the record.
type OperatorEnd struct {
	Author, Reason string
	What           string // "session <id>", "lineage <id>", "subject <id>" or "everybody"
	Except         string // the session that was spared; empty: none
	Erased         bool   // their personal data is erased as well
	Done           session.Ended
}

func operatorEnd(client string, in *sessionv1.EndRequest, e session.End, done session.Ended) OperatorEnd {
	out := OperatorEnd{Author: in.GetAuthor(), Reason: in.GetReason(), Except: in.GetExceptSession(), Done: done}
	if out.Author == "" {
		out.Author = client
	}
	switch {
	case e.Everybody:
		out.What = "everybody"
	case e.Subject != "":
		out.What = "subject " + e.Subject
	case !e.Lineage.IsZero():
		out.What = "lineage " + e.Lineage.String()
	default:
		out.What = "session " + e.ID.String()
	}
	return out
}

func (a *API) end(ctx context.Context, client *knownClient, in *sessionv1.EndRequest) (session.End, error) {
	e := session.End{Reason: in.GetReason(), LegacyDone: in.GetLegacyDone()}
	if target, ok := in.GetTarget().(*sessionv1.EndRequest_Session); ok {
		return a.endOne(ctx, client, target.Session, e)
	}
	if client.role == Service {
		return e, fault.New(fault.Denied, "a service ends only the session whose context it presents")
	}
	switch target := in.GetTarget().(type) {
	case *sessionv1.EndRequest_Subject:
		e.Subject = target.Subject
	case *sessionv1.EndRequest_Everybody:
		e.Everybody = target.Everybody
	case *sessionv1.EndRequest_Visitor:
		return e, fault.New(fault.Invalid, "sessions cannot be ended by visitor").
			WithHint("list the subject's sessions and end them by id")
	}
	if e.Subject == "" && !e.Everybody {
		return e, fault.New(fault.Invalid, "nothing is named that should end").
			WithHint("send session, subject or everybody")
	}
	if s := in.GetExceptSession(); s != "" {
		if e.Subject == "" {
			return e, fault.New(fault.Invalid, "except_session goes with subject alone")
		}
		id, err := session.ParseID(s)
		if err != nil {
			return e, fault.Wrap(err, fault.Invalid, "session id %.40q is malformed", s)
		}
		e.Except = id
	}
	return e, nil
}

// endOne ends a lineage. That of a guest without a record is named by the context: there is no record to
// find it by.
func (a *API) endOne(ctx context.Context, client *knownClient, sel *sessionv1.Selector, e session.End) (session.End, error) {
	if client.role != Service && sel.GetId() == "" && sel.GetLineage() != "" {
		l, err := session.ParseLineage(sel.GetLineage())
		if err != nil {
			return e, fault.Wrap(err, fault.Invalid, "lineage %.40q is malformed", sel.GetLineage())
		}
		e.Lineage = l // also when no generation of it lives here: legacy may end what has moved
		return e, nil
	}
	to, err := a.target(ctx, sel, Service, Legacy, Admin)
	if err != nil {
		return e, err
	}
	if proof := to.proof(); proof != nil {
		e.Lineage = session.Lineage(to.context.Lineage)
		return e, nil
	}
	e.ID = to.id
	if client.role == Admin {
		// Somebody at a keyboard may have the wrong id, and "ended 0 sessions" would not tell. Legacy ends what
		// it was shown, with or without a record: that of a guest who stored nothing has none.
		if _, err := a.manager.Get(ctx, e.ID); err != nil {
			return e, err
		}
	}
	return e, nil
}

// Redeem turns a handoff into the token, for an application that writes the cookie itself.
func (a *API) Redeem(ctx context.Context, in *sessionv1.RedeemRequest) (*sessionv1.RedeemResponse, error) {
	if _, err := allow(ctx, Legacy); err != nil {
		return nil, err
	}
	h, err := handoff.Open(a.cfg.Ring, in.GetHandoff(), a.cfg.Clock())
	if err != nil {
		return nil, err
	}
	s, err := a.manager.ByLineage(ctx, h.Lineage)
	if err != nil {
		return nil, err
	}
	return &sessionv1.RedeemResponse{Token: h.Token, Session: sessionMessage(s)}, nil
}

// handoff seals an issued token for the response of the request that the address came with.
func (a *API) handoff(to address, issued *session.Issued) string {
	s := issued.Session
	return handoff.Seal(a.cfg.Ring, handoff.Handoff{
		From: to.from(), Token: issued.Token, Lineage: s.Lineage, Subject: s.Subject,
		LegacyKey: s.LegacyKey, LegacyExpires: s.LegacyExpires, Expires: s.ExpiresAt, Transient: s.Transient,
	}, a.cfg.Clock())
}
