// Package controlapi serves the control plane to operators as crossfade.control.v1.ControlService.
//
// Invariant: it decides nothing. A call is authorized, translated, handed to [control.Control] and its
// answer translated back; every rule and every refusal is made there. The application mounts it on the
// internal listener.
package controlapi

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	"crossfade.dev/crossfade/rollout"
)

// Options are what the API needs beside the control plane.
type Options struct {
	// Authorize refuses a call by its headers. It is required: an API without it would let anybody who
	// reaches the port move a site.
	Authorize func(http.Header) error
	// MagicCookie is the name under which browsers send magic cookies, with its prefix.
	MagicCookie string
	Log         *slog.Logger
	Rand        io.Reader // of the ids that callers quote
}

// MaxRequest bounds a call's body: the largest honest one is a ladder.
const MaxRequest = 64 << 10

// New is the path and the handler to mount.
func New(c *control.Control, o Options) (path string, handler http.Handler) {
	if o.Authorize == nil {
		panic("controlapi: Authorize is required")
	}
	return controlv1connect.NewControlServiceHandler(&api{control: c, cookie: o.MagicCookie},
		connect.WithInterceptors(rpcfault.Server(o.Log, o.Rand), authorized(o.Authorize)),
		connect.WithReadMaxBytes(MaxRequest), rpcfault.StrictJSON())
}

func authorized(authorize func(http.Header) error) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if err := authorize(req.Header()); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}
	}
}

type api struct {
	control *control.Control
	cookie  string
}

// call is what every request that changes a rollout has.
type call interface {
	GetName() string
	GetAuthor() string
	GetReason() string
}

func callOf(r call) control.Call {
	return control.Call{Rollout: r.GetName(), Author: r.GetAuthor(), Reason: r.GetReason()}
}

func (a *api) ListRollouts(context.Context, *controlv1.ListRolloutsRequest) (*controlv1.ListRolloutsResponse, error) {
	out := &controlv1.ListRolloutsResponse{}
	for _, r := range a.control.Rollouts() {
		out.Rollouts = append(out.Rollouts, rolloutMessage(r))
	}
	return out, nil
}

func (a *api) GetRollout(_ context.Context, req *controlv1.GetRolloutRequest) (*controlv1.GetRolloutResponse, error) {
	r, err := a.control.Rollout(req.Name)
	if err != nil {
		return nil, err
	}
	return &controlv1.GetRolloutResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) Start(ctx context.Context, req *controlv1.StartRequest) (*controlv1.StartResponse, error) {
	wanted, err := settings(req)
	if err != nil {
		return nil, err
	}
	r, err := a.control.Start(ctx, callOf(req), wanted)
	if err != nil {
		return nil, err
	}
	return &controlv1.StartResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) Ramp(ctx context.Context, req *controlv1.RampRequest) (*controlv1.RampResponse, error) {
	r, err := a.control.Ramp(ctx, callOf(req), rollout.Millionths(req.ToMillionths))
	if err != nil {
		return nil, err
	}
	return &controlv1.RampResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) Approve(ctx context.Context, req *controlv1.ApproveRequest) (*controlv1.ApproveResponse, error) {
	r, err := a.control.Approve(ctx, callOf(req))
	if err != nil {
		return nil, err
	}
	return &controlv1.ApproveResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) Hold(ctx context.Context, req *controlv1.HoldRequest) (*controlv1.HoldResponse, error) {
	r, err := a.control.Hold(ctx, callOf(req))
	if err != nil {
		return nil, err
	}
	return &controlv1.HoldResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) RollBack(ctx context.Context, req *controlv1.RollBackRequest) (*controlv1.RollBackResponse, error) {
	r, err := a.control.RollBack(ctx, callOf(req))
	if err != nil {
		return nil, err
	}
	return &controlv1.RollBackResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) Finish(ctx context.Context, req *controlv1.FinishRequest) (*controlv1.FinishResponse, error) {
	finish := func() (rollout.Rollout, []string, error) { return a.control.Finish(ctx, callOf(req)) }
	if req.DryRun {
		finish = func() (rollout.Rollout, []string, error) { return a.control.DryFinish(req.Name) }
	}
	r, removable, err := finish()
	if err != nil {
		return nil, err
	}
	return &controlv1.FinishResponse{Rollout: rolloutMessage(r), Removable: removable}, nil
}

func (a *api) Kill(ctx context.Context, req *controlv1.KillRequest) (*controlv1.KillResponse, error) {
	scope := rollout.KillEverybody
	if req.Rehearsal {
		scope = rollout.KillRehearsal
	}
	k, err := a.control.Kill(ctx, callOf(req), scope)
	if err != nil {
		return nil, err
	}
	return &controlv1.KillResponse{
		Rollout: rolloutMessage(k.Rollout), InForceMicros: k.InForce.Microseconds(), Outstanding: uint32(k.Outstanding),
	}, nil
}

func (a *api) Lift(ctx context.Context, req *controlv1.LiftRequest) (*controlv1.LiftResponse, error) {
	r, err := a.control.Lift(ctx, callOf(req), req.Resume)
	if err != nil {
		return nil, err
	}
	return &controlv1.LiftResponse{Rollout: rolloutMessage(r)}, nil
}

func (a *api) ListChanges(ctx context.Context, req *controlv1.ListChangesRequest) (*controlv1.ListChangesResponse, error) {
	changes, err := a.control.Changes(ctx, changelog.Query{Limit: int(req.Limit), Before: req.Before, Subject: req.Subject})
	if err != nil {
		return nil, err
	}
	out := &controlv1.ListChangesResponse{}
	for _, c := range changes {
		out.Changes = append(out.Changes, changeMessage(c))
	}
	return out, nil
}

func (a *api) IssueMagic(ctx context.Context, req *controlv1.IssueMagicRequest) (*controlv1.IssueMagicResponse, error) {
	// Seconds that do not fit a duration are out of bounds, not a wrapped number inside them.
	ttl := time.Duration(min(max(req.TtlSeconds, 0), int64(math.MaxInt64/time.Second))) * time.Second
	m, value, err := a.control.IssueMagic(ctx, req.For, ttl, control.Call{Author: req.Author, Reason: req.Reason})
	if err != nil {
		return nil, err
	}
	return &controlv1.IssueMagicResponse{Magic: magicMessage(m), Cookie: a.cookie + "=" + value}, nil
}

func (a *api) RevokeMagic(ctx context.Context, req *controlv1.RevokeMagicRequest) (*controlv1.RevokeMagicResponse, error) {
	id, err := rollout.ParseMagicID(req.Id)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%q is not the id of a magic cookie", req.Id).
			WithHint("ids are 32 hex digits; list them with: crossfade magic list")
	}
	m, err := a.control.RevokeMagic(ctx, id, control.Call{Author: req.Author, Reason: req.Reason})
	if err != nil {
		return nil, err
	}
	return &controlv1.RevokeMagicResponse{Magic: magicMessage(m)}, nil
}

func (a *api) ListMagic(ctx context.Context, _ *controlv1.ListMagicRequest) (*controlv1.ListMagicResponse, error) {
	all, err := a.control.ListMagic(ctx)
	if err != nil {
		return nil, err
	}
	out := &controlv1.ListMagicResponse{}
	for _, m := range all {
		out.Magic = append(out.Magic, magicMessage(m))
	}
	return out, nil
}
