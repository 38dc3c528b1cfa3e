// Command crossfade moves live visitors from an old application to a new one, and back. It gathers what
// a process has (arguments, environment, signals) and hands it to package command.
package main

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"syscall"
	"time"

	"crossfade.dev/crossfade/cmd/crossfade/command"
	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, command.Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, User: userName, Now: time.Now, Rand: rand.Reader,
		HTTP: command.Direct(), Version: release(), Serve: serve, Migrate: app.Migrate,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

func serve(ctx context.Context, c *config.Config, version string) error {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	public, internal, err := app.Inherited(os.Getenv, os.Getpid(), func(fd uintptr) (net.Listener, error) {
		f := os.NewFile(fd, "inherited")
		defer f.Close() // the listener has a copy
		return net.FileListener(f)
	})
	if err != nil {
		return err
	}
	return app.Serve(ctx, c, app.Options{Version: version, Public: public, Internal: internal, Reload: reload})
}

// release is the version that the linker or the module system knows.
func release() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
