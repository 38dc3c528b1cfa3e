package clientgrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clientgrpc"
	"crossfade.dev/crossfade/client/clienttest"
)

type text = wrapperspb.StringValue

// do is what every method of the service under test does: it gets what was sent, and answers.
type do func(ctx context.Context, in string) (string, error)

// service has three unary methods and a stream that answers each message.
func service(d do) *grpc.ServiceDesc {
	unary := func(srv any, ctx context.Context, dec func(any) error, mw grpc.UnaryServerInterceptor, method string) (any, error) {
		in := new(text)
		if err := dec(in); err != nil {
			return nil, err
		}
		return mw(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
			out, err := d(ctx, in.GetValue())
			return wrapperspb.String(out), err
		})
	}
	desc := &grpc.ServiceDesc{ServiceName: "shop.Orders", HandlerType: (*any)(nil)}
	for _, name := range []string{"See", "Cancel", "Pay"} {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, dec func(any) error, mw grpc.UnaryServerInterceptor) (any, error) {
			return unary(srv, ctx, dec, mw, "/shop.Orders/"+name)
		}})
	}
	desc.Streams = []grpc.StreamDesc{{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: func(_ any, ss grpc.ServerStream) error {
		for {
			in := new(text)
			if err := ss.RecvMsg(in); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			out, err := d(ss.Context(), in.GetValue())
			if err != nil {
				return err
			}
			if err := ss.SendMsg(wrapperspb.String(out)); err != nil {
				return err
			}
		}
	}}}
	return desc
}

var rules = clientgrpc.Rules{Methods: map[string]clientgrpc.Rule{
	"/shop.Orders/Cancel": clientgrpc.RequireAuthenticated(),
	"/shop.Orders/Pay":    clientgrpc.RequireFresh(time.Minute),
}}

// serve runs the service in this process, and gives a connection that forwards.
func serve(t *testing.T, c *client.Client, rules clientgrpc.Rules, d do) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnaryInterceptor(clientgrpc.UnaryServer(c, rules)), grpc.StreamInterceptor(clientgrpc.StreamServer(c, rules)))
	server.RegisterService(service(d), struct{}{})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(clientgrpc.UnaryClient()), grpc.WithStreamInterceptor(clientgrpc.StreamClient()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call is a call as the edge would make it.
func call(t *testing.T, conn *grpc.ClientConn, v *clienttest.Visitor, method, in string) (string, http.Header, error) {
	t.Helper()
	ctx := t.Context()
	if v != nil {
		ctx = metadata.AppendToOutgoingContext(ctx, "crossfade-context", v.Context())
	}
	return invoke(ctx, conn, method, in)
}

func invoke(ctx context.Context, conn *grpc.ClientConn, method, in string) (string, http.Header, error) {
	var md metadata.MD
	out := new(text)
	err := conn.Invoke(ctx, "/shop.Orders/"+method, wrapperspb.String(in), out, grpc.Header(&md))
	header := http.Header{}
	for key, values := range md {
		for _, value := range values {
			header.Add(key, value)
		}
	}
	return out.GetValue(), header, err
}

func whoami(ctx context.Context, _ string) (string, error) {
	return client.SessionFromContext(ctx).Subject(), nil
}

func TestUnaryServer(t *testing.T) {
	c := clienttest.New(t)

	t.Run("a method knows the visitor, without a call", func(t *testing.T) {
		out, _, err := call(t, serve(t, c.Client, rules, whoami), c.Customer("42"), "Cancel", "")
		if err != nil || out != "42" || c.Calls() != 0 {
			t.Fatal(out, err, c.Calls())
		}
	})
	t.Run("without a good context nothing runs", func(t *testing.T) {
		conn := serve(t, c.Client, rules, func(context.Context, string) (string, error) { t.Error("it ran"); return "", nil })
		elsewhere := clienttest.New(t, func(c *client.Config) { c.Name = "other" }).Guest()
		for name, ctx := range map[string]context.Context{
			"none":     t.Context(),
			"two":      metadata.AppendToOutgoingContext(t.Context(), "crossfade-context", c.Guest().Context(), "crossfade-context", c.Guest().Context()),
			"forged":   metadata.AppendToOutgoingContext(t.Context(), "crossfade-context", "a.b.c"),
			"of other": metadata.AppendToOutgoingContext(t.Context(), "crossfade-context", elsewhere.Context()),
		} {
			if _, _, err := invoke(ctx, conn, "See", ""); status.Code(err) != codes.PermissionDenied {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("without keys nobody can be known", func(t *testing.T) {
		cl, err := client.New(client.Config{API: "http://127.0.0.1:1", Name: "service-under-test", Secret: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := call(t, serve(t, cl, rules, whoami), c.Guest(), "See", ""); status.Code(err) != codes.Unavailable {
			t.Fatal(err)
		}
	})
	t.Run("each method has its rule", func(t *testing.T) {
		conn := serve(t, c.Client, rules, whoami)
		old := c.Customer("42")
		old.LoggedInAt(time.Now().Add(-time.Hour))
		for _, tc := range []struct {
			method string
			who    *clienttest.Visitor
			want   string
		}{
			{"See", c.Guest(), ""}, {"Cancel", c.Guest(), "login_required"}, {"Pay", c.Guest(), "login_required"},
			{"Cancel", old, ""}, {"Pay", old, "fresh_login_required"}, {"Pay", c.Customer("1"), ""},
		} {
			_, _, err := call(t, conn, tc.who, tc.method, "")
			if got := status.Convert(err); got.Message() != tc.want || (tc.want != "") != (got.Code() == codes.Unauthenticated) {
				t.Errorf("%s: %v, want %q", tc.method, err, tc.want)
			}
		}
	})
	t.Run("a rule for a service holds for all its methods, and unchecked ones need no context", func(t *testing.T) {
		conn := serve(t, c.Client, clientgrpc.Rules{Default: clientgrpc.Unchecked(), Methods: map[string]clientgrpc.Rule{
			"/shop.Orders/*": clientgrpc.RequireAuthenticated(), "/shop.Orders/See": clientgrpc.Unchecked(),
		}}, whoami)
		if _, _, err := call(t, conn, c.Guest(), "Pay", ""); status.Code(err) != codes.Unauthenticated {
			t.Error(err)
		}
		if _, _, err := call(t, conn, nil, "See", ""); err != nil {
			t.Error(err)
		}
	})
	t.Run("a guest's first write reaches the edge, also beside an error", func(t *testing.T) {
		conn := serve(t, c.Client, rules, func(ctx context.Context, in string) (string, error) {
			if err := client.SessionFromContext(ctx).Set(ctx, "cart", in); err != nil {
				t.Error(err)
			}
			return "", map[bool]error{true: status.Error(codes.Aborted, "no")}[in == "fail"]
		})
		for _, in := range []string{"milk", "fail"} {
			v := c.Guest()
			_, header, _ := call(t, conn, v, "See", in)
			if header.Get(client.HeaderSession) == "" || v.Value("cart") != `"`+in+`"` {
				t.Error(in, header, v.Value("cart"))
			}
		}
	})
}

func TestStreamServer(t *testing.T) {
	c := clienttest.New(t)
	talk := func(t *testing.T, conn *grpc.ClientConn, v *clienttest.Visitor) grpc.ClientStream {
		t.Helper()
		ctx := metadata.AppendToOutgoingContext(t.Context(), "crossfade-context", v.Context())
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/shop.Orders/Talk")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ask := func(s grpc.ClientStream, in string) (string, error) {
		if err := s.SendMsg(wrapperspb.String(in)); err != nil {
			return "", err
		}
		out := new(text)
		return out.GetValue(), s.RecvMsg(out)
	}
	t.Run("the rule holds before the stream begins", func(t *testing.T) {
		conn := serve(t, c.Client, clientgrpc.Rules{Default: clientgrpc.RequireAuthenticated()}, whoami)
		if _, err := ask(talk(t, conn, c.Guest()), ""); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if _, err := ask(talk(t, conn, c.Customer("42")), ""); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a guest's first write goes with the first message, a later one is refused", func(t *testing.T) {
		var late error
		conn := serve(t, c.Client, rules, func(ctx context.Context, in string) (string, error) {
			if in == "" {
				return "", nil
			}
			late = client.SessionFromContext(ctx).Set(ctx, "cart", in)
			return "", nil
		})
		first := c.Guest()
		s := talk(t, conn, first)
		if _, err := ask(s, "milk"); err != nil || late != nil {
			t.Fatal(err, late)
		}
		if md, err := s.Header(); err != nil || len(md.Get("crossfade-session")) != 1 {
			t.Fatal(md, err)
		}
		s = talk(t, conn, c.Guest())
		for _, in := range []string{"", "milk"} {
			if _, err := ask(s, in); err != nil {
				t.Fatal(err)
			}
		}
		if !errors.Is(late, client.ErrTooLate) {
			t.Fatal(late)
		}
	})
}

// behind answers HTTP requests with what the gRPC service says.
func behind(c *clienttest.Crossfade, ask func(context.Context) error) http.Handler {
	return c.Client.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := ask(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}))
}

func TestForwarding(t *testing.T) {
	c := clienttest.New(t)
	conn := serve(t, c.Client, rules, func(ctx context.Context, in string) (string, error) {
		s := client.SessionFromContext(ctx)
		if in == "end" {
			return "", s.End(ctx, "closed")
		}
		return s.Subject(), s.Set(ctx, "cart", in)
	})
	unary := func(in string) http.Handler {
		return behind(c, func(ctx context.Context) error { _, _, err := invoke(ctx, conn, "See", in); return err })
	}
	stream := behind(c, func(ctx context.Context) error {
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/shop.Orders/Talk")
		if err != nil {
			return err
		}
		if err := s.SendMsg(wrapperspb.String("milk")); err != nil {
			return err
		}
		return s.RecvMsg(new(text))
	})
	for name, h := range map[string]http.Handler{"call": unary("milk"), "stream": stream} {
		t.Run("what a called service writes for a guest reaches the browser, "+name, func(t *testing.T) {
			v := c.Guest()
			w := v.Do(h, http.MethodGet, "/", "")
			if w.Code != http.StatusOK || w.Header().Get(client.HeaderSession) == "" || v.Value("cart") != `"milk"` {
				t.Fatal(w.Code, w.Body, w.Header(), v.Value("cart"))
			}
		})
	}
	t.Run("a called service that ends the session logs the browser out", func(t *testing.T) {
		v := c.Customer("42")
		w := v.Do(unary("end"), http.MethodPost, "/", "")
		if w.Code != http.StatusOK || w.Header().Get(client.HeaderEnd) != "closed" {
			t.Fatal(w.Code, w.Body, w.Header())
		}
	})
}
