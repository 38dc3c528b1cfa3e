package controlapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/controlapi"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/internal/rpcfault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	"crossfade.dev/crossfade/rollout"
)

var ctx = context.Background()

const bearer = "Bearer let-me-in"

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// serve runs the API over a real control plane.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	c, err := control.Open(ctx, control.Config{
		Path: filepath.Join(t.TempDir(), "control.db"), Heartbeat: -1, Removable: []string{"the bridge"},
	}, control.Deps{Now: now, Rand: rand.Reader, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	path, handler := controlapi.New(c, controlapi.Options{
		MagicCookie: "__Host-cf_magic", Log: log, Rand: rand.Reader,
		Authorize: func(h http.Header) error {
			if h.Get("Authorization") != bearer {
				return fault.New(fault.Unauthenticated, "no valid admin token").WithHint("see crossfade init")
			}
			return nil
		},
	})
	mux := http.NewServeMux()
	mux.Handle(path, handler)
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); c.Close() })
	return server
}

func client(server *httptest.Server, authorization string) controlv1connect.ControlServiceClient {
	carry := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", authorization)
			return next(ctx, req)
		}
	})
	return controlv1connect.NewControlServiceClient(server.Client(), server.URL, connect.WithInterceptors(rpcfault.Client(), carry))
}

func TestAPI_refuses(t *testing.T) {
	server := serve(t)
	api := client(server, bearer)
	t.Run("a caller without the token, in every method", func(t *testing.T) {
		for _, authorization := range []string{"", "Bearer wrong"} {
			stranger := client(server, authorization)
			_, list := stranger.ListRollouts(ctx, &controlv1.ListRolloutsRequest{})
			_, kill := stranger.Kill(ctx, &controlv1.KillRequest{Name: "sessions", Author: "a", Reason: "r"})
			for _, err := range []error{list, kill} {
				if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unauthenticated || hint != "see crossfade init" {
					t.Fatalf("%v (%s)", err, hint)
				}
			}
		}
	})
	for name, c := range map[string]struct {
		call func() error
		code fault.Code
		hint string
	}{
		"an unknown rollout": {func() error {
			_, err := api.GetRollout(ctx, &controlv1.GetRolloutRequest{Name: "nope"})
			return err
		}, fault.NotFound, "crossfade rollout list"},
		"a change without a reason": {func() error {
			_, err := api.Start(ctx, &controlv1.StartRequest{Name: "sessions", Author: "ann"})
			return err
		}, fault.Invalid, "--reason"},
		"a ramp before the start": {func() error {
			_, err := api.Ramp(ctx, &controlv1.RampRequest{Name: "sessions", Author: "ann", Reason: "r"})
			return err
		}, fault.Precondition, "crossfade rollout start sessions"},
		"a ladder that leads nowhere": {func() error {
			_, err := api.Start(ctx, &controlv1.StartRequest{Name: "sessions", Author: "ann", Reason: "r", Stages: []*controlv1.Stage{{Millionths: 5}}})
			return err
		}, fault.Invalid, "100 percent"},
		"segments, which no visitor has": {func() error {
			_, err := api.Start(ctx, &controlv1.StartRequest{Name: "sessions", Author: "ann", Reason: "r", Segments: []string{"gold"}})
			return err
		}, fault.Invalid, "leave segments out"},
		"a magic id that is none": {func() error {
			_, err := api.RevokeMagic(ctx, &controlv1.RevokeMagicRequest{Id: "x", Author: "ann", Reason: "r"})
			return err
		}, fault.Invalid, "crossfade magic list"},
		"a magic cookie for ever": {func() error {
			_, err := api.IssueMagic(ctx, &controlv1.IssueMagicRequest{For: "qa", TtlSeconds: 1 << 62, Author: "ann", Reason: "r"})
			return err
		}, fault.Invalid, "1m and 30d"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.call()
			if _, hint := fault.Public(err); fault.CodeOf(err) != c.code || !strings.Contains(hint, c.hint) {
				t.Fatalf("%v (%s)", err, hint)
			}
		})
	}
}

func TestAPI_a_slip_in_JSON_kills_nobody(t *testing.T) {
	server := serve(t)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+controlv1connect.ControlServiceKillProcedure,
		strings.NewReader(`{"name":"sessions","author":"ann","reason":"a rehearsal","rehersal":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", bearer)
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), `did you mean \"rehearsal\"?`) {
		t.Errorf("%v, %s: %s", err, res.Status, text)
	}
	if r := ok(t)(client(server, bearer).GetRollout(ctx, &controlv1.GetRolloutRequest{Name: "sessions"})).(*controlv1.GetRolloutResponse); r.Rollout.Killed {
		t.Error("it killed")
	}
}

// An operator's day, through the API alone.
func TestAPI_day(t *testing.T) {
	api := client(serve(t), bearer)
	const name, author, reason = "sessions", "ann", "going well"
	slice := uint32(50_000)

	start := ok(t)(api.Start(ctx, &controlv1.StartRequest{Name: name, Author: author, Reason: reason, ControlSliceMillionths: &slice,
		Stages: []*controlv1.Stage{{Millionths: 10_000}, {Millionths: 250_000, Approval: true}, {Millionths: 1_000_000}}})).(*controlv1.StartResponse)
	if r := start.Rollout; r.State != "running" || r.TreatmentMillionths != 10_000 || r.ControlSliceMillionths != slice || r.Epoch != 1 || len(r.Next) == 0 {
		t.Fatal(r)
	}
	ramp := ok(t)(api.Ramp(ctx, &controlv1.RampRequest{Name: name, Author: author, Reason: reason})).(*controlv1.RampResponse)
	if r := ramp.Rollout; r.State != "awaiting_approval" || r.PendingMillionths != 250_000 || r.PendingBy != author {
		t.Fatal(r)
	}
	approve := ok(t)(api.Approve(ctx, &controlv1.ApproveRequest{Name: name, Author: "bob", Reason: reason})).(*controlv1.ApproveResponse)
	if r := approve.Rollout; r.TreatmentMillionths != 250_000 || r.Stage != 1 {
		t.Fatal(r)
	}
	kill := ok(t)(api.Kill(ctx, &controlv1.KillRequest{Name: name, Author: author, Reason: "checkout is down"})).(*controlv1.KillResponse)
	if r := kill.Rollout; !r.Killed || r.KillScope != "everybody" || r.KillReason != "checkout is down" || kill.Outstanding != 0 {
		t.Fatal(kill)
	}
	lift := ok(t)(api.Lift(ctx, &controlv1.LiftRequest{Name: name, Author: author, Reason: reason, Resume: true})).(*controlv1.LiftResponse)
	if r := lift.Rollout; r.Killed || r.Epoch != 2 || r.Salt != start.Rollout.Salt {
		t.Fatal(r)
	}
	ok(t)(api.Hold(ctx, &controlv1.HoldRequest{Name: name, Author: author, Reason: reason}))
	ok(t)(api.RollBack(ctx, &controlv1.RollBackRequest{Name: name, Author: author, Reason: reason}))
	ok(t)(api.Start(ctx, &controlv1.StartRequest{Name: name, Author: author, Reason: reason, Stages: []*controlv1.Stage{{Millionths: 1_000_000}}}))
	dry := ok(t)(api.Finish(ctx, &controlv1.FinishRequest{Name: name, DryRun: true})).(*controlv1.FinishResponse)
	final := ok(t)(api.Finish(ctx, &controlv1.FinishRequest{Name: name, Author: author, Reason: reason})).(*controlv1.FinishResponse)
	if len(dry.Removable) != 1 || final.Rollout.State != "finished" {
		t.Fatal(dry, final)
	}
	log := ok(t)(api.ListChanges(ctx, &controlv1.ListChangesRequest{Limit: 3, Subject: name})).(*controlv1.ListChangesResponse)
	if len(log.Changes) != 3 || log.Changes[0].Action != "finish" || log.Changes[2].Action != "roll_back" || log.Changes[0].At != now().Unix() {
		t.Fatal(log)
	}
}

func TestAPI_magic(t *testing.T) {
	api := client(serve(t), bearer)
	issued := ok(t)(api.IssueMagic(ctx, &controlv1.IssueMagicRequest{For: "qa", TtlSeconds: 7200, Author: "ann", Reason: "try it"})).(*controlv1.IssueMagicResponse)
	value, found := strings.CutPrefix(issued.Cookie, "__Host-cf_magic=")
	if !found || issued.Magic.ExpiresAt != now().Add(2*time.Hour).Unix() {
		t.Fatal(issued)
	}
	ring, _ := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if m, err := rollout.VerifyMagic(ring, value, [16]byte{1}, now()); err != nil || m.ID.String() != issued.Magic.Id {
		t.Fatal(m, err)
	}
	revoked := ok(t)(api.RevokeMagic(ctx, &controlv1.RevokeMagicRequest{Id: issued.Magic.Id, Author: "ann", Reason: "lost"})).(*controlv1.RevokeMagicResponse)
	list := ok(t)(api.ListMagic(ctx, &controlv1.ListMagicRequest{})).(*controlv1.ListMagicResponse)
	if !revoked.Magic.Revoked || len(list.Magic) != 1 || !list.Magic[0].Revoked {
		t.Fatal(list)
	}
}

// Plain HTTP with JSON is promised to people with curl.
func TestAPI_plain_JSON(t *testing.T) {
	server := serve(t)
	post := func(body string) (*http.Response, string) {
		req, _ := http.NewRequest(http.MethodPost, server.URL+"/crossfade.control.v1.ControlService/Ramp", strings.NewReader(body))
		req.Header.Set("Authorization", bearer)
		req.Header.Set("Content-Type", "application/json")
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res, string(text)
	}
	t.Run("a refusal has a code, a message and a readable hint", func(t *testing.T) {
		res, body := post(`{"name":"sessions","author":"ann","reason":"r"}`)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"failed_precondition"`) ||
			res.Header.Get(rpcfault.HintHeader) != "start it with: crossfade rollout start sessions --reason WHY" {
			t.Fatal(res.Status, res.Header, body)
		}
	})
	t.Run("a body that is too large is refused", func(t *testing.T) {
		res, body := post(`{"name":"` + strings.Repeat("x", controlapi.MaxRequest) + `"}`)
		if res.StatusCode != http.StatusTooManyRequests {
			t.Fatal(res.Status, body)
		}
	})
	t.Run("a body that is no JSON is refused", func(t *testing.T) {
		if res, body := post(`{`); res.StatusCode != http.StatusBadRequest {
			t.Fatal(res.Status, body)
		}
	})
}

func ok(t *testing.T) func(any, error) any {
	return func(answer any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}
