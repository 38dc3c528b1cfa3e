package peers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/contextjwt"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessionapi"
)

// api is the session API over HTTP on the loopback interface. Server and caller share the process, so the
// processor time is that of both.
type api struct {
	*plane
	server        *httptest.Server
	signer        *contextjwt.Signer
	legacy, admin sessionv1connect.SessionServiceClient
}

const (
	legacySecret = "a-secret-of-the-measurement-0001"
	adminSecret  = "a-secret-of-the-measurement-0002"
)

func openAPI(o Opening) (sessions, error) {
	p, err := openPlane(o, true)
	if err != nil {
		return nil, err
	}
	signer, err := contextjwt.NewSigner(contextjwt.SignerConfig{Ring: p.ring, Clock: time.Now})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	service, err := sessionapi.New(sessionapi.Config{
		Manager: p.m, Ring: p.ring, Signer: signer, Clock: time.Now, Log: quiet,
		Clients: []sessionapi.Client{
			{Name: "django", Role: sessionapi.Legacy, Secret: legacySecret},
			{Name: "operator", Role: sessionapi.Admin, Secret: adminSecret},
		},
	})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	path, handler := service.Handler()
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	a := &api{plane: p, server: httptest.NewServer(mux), signer: signer}
	a.legacy, a.admin = a.as(legacySecret), a.as(adminSecret)
	return a, nil
}

func (a *api) as(secret string) sessionv1connect.SessionServiceClient {
	caller := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return sessionv1connect.NewSessionServiceClient(caller, a.server.URL, connect.WithInterceptors(connect.UnaryInterceptorFunc(
		func(next connect.UnaryFunc) connect.UnaryFunc {
			return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
				req.Header().Set("Authorization", "Bearer "+secret)
				return next(ctx, req)
			}
		})))
}

func (a *api) check(i int) error {
	out, err := a.legacy.Resolve(context.Background(), &sessionv1.ResolveRequest{Token: a.tokens[i]})
	if err == nil && out.GetWorth() != "live" {
		err = errors.New("a live session is " + out.GetWorth())
	}
	return err
}

// create brings the context that the edge makes for a guest; its signature is part of the time.
func (a *api) create() error {
	g := a.m.NewGuest(session.VisitorID{1}).Session
	proof, err := a.signer.Sign(contextjwt.Claims{
		Audience: "django", System: contextjwt.New, Arm: contextjwt.ArmNone, Visitor: contextjwt.ID{1},
		Session: contextjwt.ID(g.ID), Lineage: contextjwt.ID(g.Lineage), Generation: g.Generation, Kind: contextjwt.Guest,
		Unwritten: true, GuestIssued: g.Created.Unix(), GuestExpires: g.ExpiresAt.Unix(), GuestBorn: uint64(g.Born),
	})
	if err != nil {
		return err
	}
	_, err = a.legacy.Patch(context.Background(), &sessionv1.PatchRequest{
		Session: &sessionv1.Selector{Context: proof}, Set: &sessionv1.Attributes{Values: map[string]string{"cart": cart}},
	})
	return err
}

func (a *api) login(i int) error {
	out, err := a.legacy.Upgrade(context.Background(), &sessionv1.UpgradeRequest{
		Session: &sessionv1.Selector{Id: a.ids[i].String()}, Subject: customer(i), Methods: []string{"pwd"},
		Born: uint64(a.m.CurrentMark()),
	})
	if err != nil {
		return err
	}
	a.ids[i], err = session.ParseID(out.GetSession().GetId())
	return err
}

func (a *api) endAll(subject string) (int, error) {
	out, err := a.admin.End(context.Background(), &sessionv1.EndRequest{
		Target: &sessionv1.EndRequest_Subject{Subject: subject}, Reason: "logout everywhere",
	})
	if err != nil {
		return 0, err
	}
	return int(out.GetEnded()), nil
}

func (a *api) list(subject string) (n int, err error) {
	for page := ""; ; {
		out, err := a.admin.List(context.Background(), &sessionv1.ListRequest{Subject: subject, Page: page, Limit: 100})
		if err != nil {
			return n, err
		}
		n += len(out.GetSessions())
		if page = out.GetNextPage(); page == "" {
			return n, nil
		}
	}
}

func (a *api) close() error {
	a.server.Close()
	return a.plane.close()
}
