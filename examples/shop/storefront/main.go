// Command storefront is the new half of the example: it takes over stores, menus and the cart from the
// Django monolith, and keeps them in the visitor's session through the Crossfade client library.
//
// Invariant: it serves nothing about a visitor that the session plane did not say. The demo and the
// story start it; alone it runs with --alone.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/examples/shop"
	"crossfade.dev/crossfade/examples/shop/storefront/alone"
	"crossfade.dev/crossfade/examples/shop/storefront/web"
	"crossfade.dev/crossfade/internal/fault"
)

// name is the audience of the contexts that this service accepts: its name in crossfade.yaml.
const name = "shop-storefront"

// drain is how long requests may take that are under way when the process is asked to stop.
const drain = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv); err != nil {
		message, hint := fault.Public(err)
		if fault.CodeOf(err) == fault.Internal {
			message = err.Error()
		}
		fmt.Fprintf(os.Stderr, "storefront: %s\n", message)
		if hint != "" {
			fmt.Fprintf(os.Stderr, "  %s\n", hint)
		}
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, args []string, env func(string) string) error {
	flags := flag.NewFlagSet("storefront", flag.ContinueOnError)
	withoutCrossfade := flags.Bool("alone", false, "run without Crossfade, sessions in memory")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fault.New(fault.Invalid, "%v", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	sessions, middleware, err := connect(*withoutCrossfade, env, log)
	if err != nil {
		return err
	}
	catalogue, err := shop.LoadCatalogue()
	if err != nil {
		return err
	}
	server, err := web.New(web.Config{
		Catalogue: catalogue, Sessions: sessions, PublicURL: or(env("SHOP_PUBLIC_URL"), "http://localhost:8001"),
		Random: rand.Reader, Log: log, BrowserClient: !*withoutCrossfade,
		CSRFInSession: env("SHOP_CSRF_USE_SESSIONS") == "1",
	})
	if err != nil {
		return err
	}
	return serve(ctx, or(env("SHOP_LISTEN"), "127.0.0.1:8001"), web.Public(middleware(server)), log)
}

// connect gives the sessions, and the middleware that finds the session of a request.
func connect(withoutCrossfade bool, env func(string) string, log *slog.Logger) (web.Sessions, func(http.Handler) http.Handler, error) {
	if withoutCrossfade {
		sessions := alone.New(rand.Reader)
		return sessions.Of, sessions.Middleware, nil
	}
	api, file := env("CROSSFADE_API"), env("CROSSFADE_SECRET_FILE")
	if api == "" || file == "" {
		return nil, nil, fault.New(fault.Invalid, "CROSSFADE_API and CROSSFADE_SECRET_FILE are not both set").
			WithHint("set them to Crossfade's internal listener and the file with this client's secret, or look at the pages with --alone")
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.Invalid, "cannot read the client's secret from %s", file).
			WithHint("point CROSSFADE_SECRET_FILE to the file that crossfade.yaml names for the client %s", name)
	}
	crossfade, err := client.New(client.Config{API: api, Name: name, Secret: strings.TrimSpace(string(secret)), Log: log})
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "%v", err)
	}
	return web.FromCrossfade, crossfade.Middleware, nil
}

func serve(ctx context.Context, address string, handler http.Handler, log *slog.Logger) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "cannot listen on %s", address).
			WithHint("set SHOP_LISTEN to a free address such as 127.0.0.1:8001")
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	log.Info("storefront", "listen", listener.Addr().String())
	failed := make(chan error, 1) // one send: the outcome of Serve
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return server.Shutdown(ending)
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
