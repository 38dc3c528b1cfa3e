package clientgrpc_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/client/clientgrpc"
	"crossfade.dev/crossfade/client/clienttest"
)

// Orders are seen by everybody, cancelled by who is logged in, and paid for by who has just proved who it is.
func Example() {
	fake, err := clienttest.Start() // in production: client.New
	if err != nil {
		log.Fatal(err)
	}
	defer fake.Close()

	rules := clientgrpc.Rules{Methods: map[string]clientgrpc.Rule{
		"/shop.v1.Orders/Cancel":   clientgrpc.RequireAuthenticated(),
		"/shop.v1.Orders/Pay":      clientgrpc.RequireFresh(10 * time.Minute),
		"/grpc.health.v1.Health/*": clientgrpc.Unchecked(),
	}}
	unary := clientgrpc.UnaryServer(fake.Client, rules)
	_ = grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(clientgrpc.StreamServer(fake.Client, rules)))

	// What gRPC does for a call that the edge passes on:
	cancel := func(v *clienttest.Visitor) {
		ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("crossfade-context", v.Context()))
		_, err := unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/shop.v1.Orders/Cancel"},
			func(ctx context.Context, _ any) (any, error) {
				fmt.Println("cancelled for", client.SessionFromContext(ctx).Subject())
				return nil, nil
			})
		if err != nil {
			fmt.Println(status.Convert(err).Code(), status.Convert(err).Message())
		}
	}
	cancel(fake.Customer("42"))
	cancel(fake.Guest())
	// Output:
	// cancelled for 42
	// Unauthenticated login_required
}

// A web server that calls a service of its own sends the visitor along.
func ExampleUnaryClient() {
	_, err := grpc.NewClient("dns:///orders:9000",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // of your own network; else TLS,
		grpc.WithUnaryInterceptor(clientgrpc.UnaryClient()),
		grpc.WithStreamInterceptor(clientgrpc.StreamClient()))
	fmt.Println(err)
	// Output: <nil>
}
