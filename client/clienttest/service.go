package clienttest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

// service answers the calls that a service may make.
type service struct {
	sessionv1connect.UnimplementedSessionServiceHandler
	*Crossfade
}

// claims reads a context without verifying it: the client under test has.
func claims(sel *sessionv1.Selector) (contextjwt.Claims, error) {
	var c contextjwt.Claims
	parts := strings.Split(sel.GetContext(), ".")
	if len(parts) != 3 {
		return c, refuse(connect.CodePermissionDenied, "a service acts only on the session whose context it presents")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil || c.Session.IsZero() {
		return c, refuse(connect.CodeFailedPrecondition, "this visitor has no session in the new system")
	}
	return c, nil
}

// find gives the record of a call. The lock is held.
func (s *service) find(sel *sessionv1.Selector) (contextjwt.Claims, *record, error) {
	c, err := claims(sel)
	if err != nil {
		return c, nil, err
	}
	r := s.sessions[c.Session]
	if r != nil && r.ended != "" {
		return c, nil, refuse(connect.CodeFailedPrecondition, "the session has ended")
	}
	return c, r, nil
}

func (s *service) Get(_ context.Context, in *sessionv1.GetRequest) (*sessionv1.GetResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, r, err := s.find(in.GetSession())
	if err != nil {
		return nil, err
	}
	out := &sessionv1.GetResponse{Session: message(c, r), Attributes: &sessionv1.Attributes{Values: map[string]string{}}}
	if r != nil {
		for key, value := range r.values {
			if !private(key) {
				out.Attributes.Values[key] = string(value)
			}
		}
	}
	return out, nil
}

func (s *service) Patch(_ context.Context, in *sessionv1.PatchRequest) (*sessionv1.PatchResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, r, err := s.find(in.GetSession())
	if err != nil {
		return nil, err
	}
	if c.ReadOnly {
		return nil, refuse(connect.CodeFailedPrecondition, "read-only")
	}
	if err := check(in, r); err != nil {
		return nil, err
	}
	out := &sessionv1.PatchResponse{}
	if c.Unwritten {
		out.Handoff = handoffOf(c.Session)
	}
	r = s.open(c.Session)
	r.version++
	for _, key := range in.GetDelete() {
		delete(r.values, key)
		delete(r.versions, key)
	}
	for key, value := range in.GetSet().GetValues() {
		r.values[key], r.versions[key] = json.RawMessage(value), r.version
	}
	out.Version, out.Session = r.version, message(c, r)
	return out, nil
}

func check(in *sessionv1.PatchRequest, r *record) error {
	for key, value := range in.GetSet().GetValues() {
		switch {
		case private(key):
			return refuse(connect.CodePermissionDenied, key+" is the legacy system's own")
		case !json.Valid([]byte(value)):
			return refuse(connect.CodeInvalidArgument, "the value of "+key+" is not JSON")
		case len(key) > 128 || len(value) > 64<<10:
			return refuse(connect.CodeResourceExhausted, key+" is too large")
		}
	}
	for key, want := range in.GetIfVersion() {
		var have uint64
		if r != nil {
			have = r.versions[key]
		}
		if have > want || (have == 0) != (want == 0) {
			return refuse(connect.CodeAborted, key+" has changed")
		}
	}
	return nil
}

func (s *service) Rotate(_ context.Context, in *sessionv1.RotateRequest) (*sessionv1.RotateResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, r, err := s.find(in.GetSession())
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, refuse(connect.CodeNotFound, "no such session")
	}
	r.version++
	return &sessionv1.RotateResponse{Version: r.version, Handoff: handoffOf(c.Session), Session: message(c, r)}, nil
}

func (s *service) End(_ context.Context, in *sessionv1.EndRequest) (*sessionv1.EndResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := claims(in.GetSession())
	if err != nil {
		return nil, err
	}
	if in.GetReason() == "" {
		return nil, refuse(connect.CodeInvalidArgument, "no reason is given")
	}
	s.open(c.Session).ended = in.GetReason()
	return &sessionv1.EndResponse{Ended: 1}, nil
}

func message(c contextjwt.Claims, r *record) *sessionv1.Session {
	out := &sessionv1.Session{
		Id: c.Session.String(), Lineage: c.Lineage.String(), Generation: c.Generation, Kind: string(c.Kind),
		Subject: c.Subject, AuthTime: c.AuthTime, State: "live",
	}
	if r != nil {
		out.Written, out.Version = true, r.version
	}
	return out
}

func private(key string) bool {
	return strings.HasPrefix(key, "_auth_user") || strings.HasPrefix(key, "_crossfade")
}

func refuse(code connect.Code, what string) error { return connect.NewError(code, errors.New(what)) }
