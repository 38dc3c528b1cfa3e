package sessionapi

import (
	"context"

	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// Resolve says what a bare token is worth. A token that is alive comes with a context for the caller.
func (a *API) Resolve(ctx context.Context, in *sessionv1.ResolveRequest) (*sessionv1.ResolveResponse, error) {
	client, err := allow(ctx, Legacy)
	if err != nil {
		return nil, err
	}
	res := a.manager.Resolve(ctx, in.GetToken())
	if res.Worth == session.WorthUnknown {
		return nil, fault.New(fault.Unavailable, "the session store cannot be asked").
			WithHint("treat the visitor as your policy for this says, and try again with the next request")
	}
	out := &sessionv1.ResolveResponse{Worth: worth(res.Worth)}
	if res.Session == nil {
		return out, nil
	}
	out.Session = sessionMessage(res.Session)
	if res.Worth == session.WorthLive {
		if out.Context, err = a.cfg.Signer.Sign(a.claims(client.name, res.Session)); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "sign a context")
		}
	}
	return out, nil
}

// claims says who a session's request belongs to when no edge was asked: governed by new, outside of
// statistics.
func (a *API) claims(audience string, s *session.Session) contextjwt.Claims {
	c := contextjwt.Claims{
		Audience: audience, System: contextjwt.New, Visitor: contextjwt.ID(s.Visitor), Arm: contextjwt.ArmNone,
		Mark: uint64(a.manager.CurrentMark()), Session: contextjwt.ID(s.ID), Lineage: contextjwt.ID(s.Lineage),
		Generation: s.Generation, Version: s.Version, Kind: contextjwt.Guest,
	}
	if s.Kind == session.Authenticated {
		c.Kind, c.Subject, c.AuthTime = contextjwt.Authenticated, s.Subject, unix(s.AuthTime)
		c.Methods, c.Level = contextjwt.JoinMethods(s.Methods), s.Level
	}
	if !s.Written {
		c.Unwritten, c.GuestIssued, c.GuestExpires, c.GuestBorn = true, unix(s.Created), unix(s.ExpiresAt), uint64(s.Born)
	}
	return c
}

// Get returns a session with its attributes: as far as the caller's context proves it, and private ones
// to legacy alone.
func (a *API) Get(ctx context.Context, in *sessionv1.GetRequest) (*sessionv1.GetResponse, error) {
	client, err := allow(ctx, Service, Legacy, Admin)
	if err != nil {
		return nil, err
	}
	to, err := a.address(ctx, client, in.GetSession())
	if err != nil {
		return nil, err
	}
	if err := to.existing(); err != nil {
		return nil, err
	}
	s, attrs, err := a.read(ctx, to)
	if err != nil {
		return nil, err
	}
	out := &sessionv1.GetResponse{Session: s, Attributes: &sessionv1.Attributes{Values: make(map[string]string, len(attrs))}}
	for key, at := range attrs {
		if to.role == Legacy || !at.Private && !session.IsPrivate(key) {
			out.Attributes.Values[key] = string(at.Value)
		}
	}
	return out, nil
}

func (a *API) read(ctx context.Context, to address) (*sessionv1.Session, map[string]session.Attribute, error) {
	s, attrs, err := a.manager.Read(ctx, to.id)
	code := fault.CodeOf(err)
	switch {
	case code == fault.NotFound && to.proof() != nil:
		return claimedSession(to.context), nil, nil // a guest without a record has no data
	case code == fault.Precondition && to.role == Admin:
		s, err = a.manager.Get(ctx, to.id) // what has ended is shown, without its data
	}
	if err != nil {
		return nil, nil, err
	}
	if to.role == Service && !to.context.ReadOnly && !samePerson(to.context, s) {
		return claimedSession(to.context), before(attrs, to.context.Version), nil
	}
	return sessionMessage(s), attrs, nil
}

// before keeps what has not changed since a version: the view of who proved the session before its login.
func before(attrs map[string]session.Attribute, version uint64) map[string]session.Attribute {
	out := make(map[string]session.Attribute, len(attrs))
	for key, at := range attrs {
		if at.Version <= version {
			out[key] = at
		}
	}
	return out
}

// List lists a subject's sessions, newest first.
func (a *API) List(ctx context.Context, in *sessionv1.ListRequest) (*sessionv1.ListResponse, error) {
	if _, err := allow(ctx, Legacy, Admin); err != nil {
		return nil, err
	}
	limit := int(in.GetLimit())
	switch {
	case in.GetSubject() == "":
		return nil, fault.New(fault.Invalid, "no subject is named").WithHint("send the user id as the identity platform knows it")
	case limit == 0:
		limit = 50
	case limit < 0 || limit > 200:
		return nil, fault.New(fault.Invalid, "limit %d is not between 1 and 200", limit)
	}
	list, next, err := a.manager.List(ctx, in.GetSubject(), in.GetPage(), limit)
	if err != nil {
		return nil, err
	}
	out := &sessionv1.ListResponse{NextPage: next}
	for _, s := range list {
		out.Sessions = append(out.Sessions, sessionMessage(s))
	}
	return out, nil
}
