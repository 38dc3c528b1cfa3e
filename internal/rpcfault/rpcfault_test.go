package rpcfault_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	controlv1 "crossfade.dev/crossfade/proto/gen/crossfade/control/v1"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
)

// failing is a control service of which one method answers an error.
type failing struct {
	controlv1connect.UnimplementedControlServiceHandler
	err error
}

func (f *failing) ListRollouts(context.Context, *controlv1.ListRolloutsRequest) (*controlv1.ListRolloutsResponse, error) {
	return nil, f.err
}

// ask makes a real call through HTTP.
func ask(t *testing.T, failure error, log io.Writer, opts ...connect.ClientOption) error {
	t.Helper()
	random := strings.NewReader(strings.Repeat("id", 16))
	_, handler := controlv1connect.NewControlServiceHandler(&failing{err: failure},
		connect.WithInterceptors(rpcfault.Server(slog.New(slog.NewTextHandler(log, nil)), random)))
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true // gRPC
	server.StartTLS()
	defer server.Close()
	opts = append(opts, connect.WithInterceptors(rpcfault.Client()))
	client := controlv1connect.NewControlServiceClient(server.Client(), server.URL, opts...)
	_, err := client.ListRollouts(context.Background(), &controlv1.ListRolloutsRequest{})
	return err
}

func TestRoundTrip(t *testing.T) {
	protocols := map[string][]connect.ClientOption{
		"connect": nil, "json": {connect.WithProtoJSON()}, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()},
	}
	codes := []fault.Code{fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Precondition,
		fault.Unauthenticated, fault.Denied, fault.Exhausted, fault.Unavailable, fault.Internal}
	hints := []string{"", "crossfade rollout list", " 25 % → ärgerlich\nsecond line "}
	for name, opts := range protocols {
		t.Run("code, message and hint arrive over "+name, func(t *testing.T) {
			for i, code := range codes {
				hint := hints[i%len(hints)]
				made := fault.Wrap(errors.New("SQLSTATE secret"), code, "what failed: 25 %%").WithHint("%s", hint)
				err := ask(t, made, io.Discard, opts...)
				message, gotHint := fault.Public(err)
				if fault.CodeOf(err) != code || message != "what failed: 25 %" || gotHint != hint {
					t.Errorf("%s: got %s %q, hint %q", code, fault.CodeOf(err), message, gotHint)
				}
				if strings.Contains(err.Error(), "SQLSTATE") {
					t.Errorf("the cause crossed: %v", err)
				}
			}
		})
	}
}

func TestServer(t *testing.T) {
	t.Run("an unknown error gives nothing away but an id that the log has", func(t *testing.T) {
		var log strings.Builder
		err := ask(t, errors.New("password=hunter2"), &log)
		message, hint := fault.Public(err)
		if fault.CodeOf(err) != fault.Internal || message != "internal error" || !strings.Contains(hint, "69646964") {
			t.Fatalf("%q, hint %q", message, hint)
		}
		if !strings.Contains(log.String(), "69646964") || !strings.Contains(log.String(), "hunter2") {
			t.Fatalf("log: %s", log.String())
		}
	})
	t.Run("a caller's mistake is not logged", func(t *testing.T) {
		var log strings.Builder
		ask(t, fault.New(fault.Invalid, "wrong"), &log)
		if log.Len() != 0 {
			t.Fatal(log.String())
		}
	})
}

func TestClient_no_server(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client := controlv1connect.NewControlServiceClient(http.DefaultClient, server.URL, connect.WithInterceptors(rpcfault.Client()))
	_, err := client.ListRollouts(context.Background(), &controlv1.ListRolloutsRequest{})
	message, hint := fault.Public(err)
	if fault.CodeOf(err) != fault.Unavailable || message != "no answer from the server" || !strings.Contains(hint, "crossfade serve") {
		t.Fatalf("%v (%s)", err, hint)
	}
}

func TestNil(t *testing.T) {
	if rpcfault.ToConnect(nil) != nil || rpcfault.FromConnect(nil) != nil {
		t.Fatal("nil is no error")
	}
}
