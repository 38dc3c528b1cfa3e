package sessionapi

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/session"
)

// Patch sets and deletes attributes. With an empty selector, role legacy makes a new guest session: what
// an application writes after it has logged somebody out in the same request.
func (a *API) Patch(ctx context.Context, in *sessionv1.PatchRequest) (*sessionv1.PatchResponse, error) {
	client, err := allow(ctx, Service, Legacy)
	if err != nil {
		return nil, err
	}
	to, err := a.address(ctx, client, in.GetSession())
	if err != nil {
		return nil, err
	}
	p, err := a.patch(to, in)
	if err != nil {
		return nil, err
	}
	if err := a.writable(ctx, to); err != nil {
		return nil, err
	}
	done, err := a.manager.Patch(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &sessionv1.PatchResponse{Version: done.Session.Version, Session: sessionMessage(done.Session)}
	if done.Replace != nil {
		out.Handoff = a.handoff(to, done.Replace)
	}
	return out, nil
}

func (a *API) patch(to address, in *sessionv1.PatchRequest) (session.Patch, error) {
	idle, err := idleOf(in.GetIdleSeconds())
	if err != nil {
		return session.Patch{}, err
	}
	p := session.Patch{
		ID: to.id, Set: values(in.GetSet()), Delete: in.GetDelete(), IfVersion: in.GetIfVersion(), Idle: idle, Guest: to.proof(),
		Device: to.device(), Transient: in.Transient, Writer: to.client,
	}
	if to.id.IsZero() {
		p.Guest = a.newGuest(to)
		p.ID = p.Guest.ID
	}
	if to.role == Legacy {
		return p, nil
	}
	for _, keys := range [][]string{keysOf(p.Set), p.Delete, keysOf(p.IfVersion)} {
		for _, key := range keys {
			if session.IsPrivate(key) {
				return session.Patch{}, fault.New(fault.Denied, "attribute %.40q is the legacy system's own", key).
					WithHint("choose a name that begins neither with _auth_user nor with _crossfade")
			}
		}
	}
	return p, nil
}

// newGuest makes the proof of a guest that nobody has met yet.
func (a *API) newGuest(to address) *session.GuestProof {
	var visitor session.VisitorID
	if to.context != nil {
		visitor = session.VisitorID(to.context.Visitor)
	}
	s := a.manager.NewGuest(visitor).Session
	return &session.GuestProof{ID: s.ID, Visitor: visitor, Issued: s.Created, ExpiresAt: s.ExpiresAt, Born: s.Born}
}

// Upgrade logs a session in; with an empty selector, a new one.
func (a *API) Upgrade(ctx context.Context, in *sessionv1.UpgradeRequest) (*sessionv1.UpgradeResponse, error) {
	client, err := allow(ctx, Legacy)
	if err != nil {
		return nil, err
	}
	to, err := a.address(ctx, client, in.GetSession())
	if err != nil {
		return nil, err
	}
	u, err := upgrade(to, in)
	if err != nil {
		return nil, err
	}
	if err := a.writable(ctx, to); err != nil {
		return nil, err
	}
	issued, err := a.manager.Upgrade(ctx, u)
	if err != nil {
		return nil, err
	}
	return &sessionv1.UpgradeResponse{
		Version: issued.Session.Version, Handoff: a.handoff(to, &issued), Session: sessionMessage(issued.Session),
	}, nil
}

func upgrade(to address, in *sessionv1.UpgradeRequest) (session.Upgrade, error) {
	idle, err := idleOf(in.GetIdleSeconds())
	if err != nil {
		return session.Upgrade{}, err
	}
	u := session.Upgrade{
		ID: to.id, Guest: to.proof(), Subject: in.GetSubject(), AuthTime: moment(in.GetAuthTime()),
		Methods: in.GetMethods(), Level: in.GetLevel(), Born: session.Mark(in.GetBorn()), Set: values(in.GetSet()), Delete: in.GetDelete(),
		User: values(in.GetUser()), Writer: to.client, Idle: idle, LegacyKey: in.GetCounterpart(), LegacyExpires: moment(in.GetCounterpartExpires()),
		Device: device(to.device(), in.GetDevice()), Transient: in.Transient,
	}
	if to.context != nil {
		u.Visitor = session.VisitorID(to.context.Visitor)
		if u.Born == 0 {
			u.Born = session.Mark(to.context.Mark)
		}
	}
	if s := in.GetVisitor(); s != "" {
		if u.Visitor, err = session.ParseVisitorID(s); err != nil {
			return session.Upgrade{}, fault.Wrap(err, fault.Invalid, "visitor id %.40q is malformed", s)
		}
	}
	return u, nil
}

// StepUp records a fresh authentication of the same subject.
func (a *API) StepUp(ctx context.Context, in *sessionv1.StepUpRequest) (*sessionv1.StepUpResponse, error) {
	to, err := a.target(ctx, in.GetSession(), Legacy)
	if err != nil {
		return nil, err
	}
	issued, err := a.manager.StepUp(ctx, session.StepUp{
		ID: to.id, AuthTime: moment(in.GetAuthTime()), Methods: in.GetMethods(), Level: in.GetLevel(), Set: values(in.GetSet()),
		Writer: to.client, LegacyKey: in.GetCounterpart(), LegacyExpires: moment(in.GetCounterpartExpires()),
	})
	if err != nil {
		return nil, err
	}
	return &sessionv1.StepUpResponse{
		Version: issued.Session.Version, Handoff: a.handoff(to, &issued), Session: sessionMessage(issued.Session),
	}, nil
}

// Rotate replaces the secret without a change of privilege.
func (a *API) Rotate(ctx context.Context, in *sessionv1.RotateRequest) (*sessionv1.RotateResponse, error) {
	to, err := a.target(ctx, in.GetSession(), Service, Legacy)
	if err != nil {
		return nil, err
	}
	issued, err := a.manager.Rotate(ctx, to.id)
	if err != nil {
		return nil, err
	}
	return &sessionv1.RotateResponse{
		Version: issued.Session.Version, Handoff: a.handoff(to, &issued), Session: sessionMessage(issued.Session),
	}, nil
}

// target is the address of a session that exists and that the caller may change.
func (a *API) target(ctx context.Context, sel *sessionv1.Selector, roles ...Role) (address, error) {
	client, err := allow(ctx, roles...)
	if err != nil {
		return address{}, err
	}
	to, err := a.address(ctx, client, sel)
	if err != nil {
		return address{}, err
	}
	if err := to.existing(); err != nil {
		return address{}, err
	}
	return to, a.writable(ctx, to)
}

func idleOf(seconds int64) (time.Duration, error) {
	if seconds < 0 || seconds > int64(session.MaxLife/time.Second) {
		return 0, fault.New(fault.Invalid, "idle_seconds %d is out of range", seconds).
			WithHint("send 1 to %d, or 0 to leave it as it is", int64(session.MaxLife/time.Second))
	}
	return time.Duration(seconds) * time.Second, nil
}
