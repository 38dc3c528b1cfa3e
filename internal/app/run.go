package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

// watchEvery is how often the files of the configuration are looked at.
const watchEvery = 2 * time.Second

// closeWithin bounds what is left to do when serving has ended: writing down activity, closing databases.
const closeWithin = 10 * time.Second

// Serve is a whole life: New, Run until ctx ends, Close.
func Serve(ctx context.Context, cfg *config.Config, opts Options) error {
	a, err := New(ctx, cfg, opts)
	if err != nil {
		return err
	}
	err = a.Run(ctx)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return errors.Join(err, a.Close(ending))
}

// Run serves until ctx ends or a listener fails, and returns when the last request has been answered, or
// public.drain is over. It runs once.
//
// The order of starting: the work behind requests first, then the internal listener, then the public
// one. Applications behind the edge call the internal listener while they answer, so it must be there
// for the first request, and, in the opposite order, until the last: stop drains the public listener
// before it touches the internal one.
func (a *App) Run(ctx context.Context) error {
	a.prepareServers()
	a.sessions.Start(context.WithoutCancel(ctx))
	a.outbox.Start(ctx)
	a.endRuns.Begin(ctx)

	failed := make(chan error, 2)
	serve := func(what string, run func() error) {
		go func() {
			if err := run(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fault.Wrap(err, fault.Unavailable, "the %s listener failed", what)
			}
		}()
	}
	serve("internal", func() error { return a.servers.internal.Serve(a.servers.internalListener) })
	serve("public", func() error {
		if a.servers.public.TLSConfig != nil {
			return a.servers.public.ServeTLS(a.servers.publicListener, "", "")
		}
		return a.servers.public.Serve(a.servers.publicListener)
	})
	a.servers.ready.Store(true)
	a.log.Info("serving", "public", a.PublicAddr(), "url", a.cfg.Public.URL, "internal", a.InternalAddr(), "version", a.opts.Version)

	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); a.watch(watching) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stopWatching()
	<-watched // no reload begins while stopping
	return errors.Join(err, a.stop(context.WithoutCancel(ctx)))
}

// stop drains. Its steps, in order: say "not ready", so that load balancers look elsewhere; take no new
// connection and let requests end; the same for the internal listener, which they needed. Requests
// that outlast public.drain are cut off: a stream may live for days.
func (a *App) stop(ctx context.Context) error {
	a.servers.ready.Store(false)
	a.log.Info("stopping", "drain", a.cfg.Public.Drain.String())
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Public.Drain.D())
	defer cancel()
	drain(ctx, a, "public", a.servers.public)
	drain(ctx, a, "internal", a.servers.internal)
	return nil
}

func drain(ctx context.Context, a *App, what string, s *http.Server) {
	if err := s.Shutdown(ctx); err != nil {
		a.log.Warn("requests were cut off", "listener", what, "after", a.cfg.Public.Drain.String())
		_ = s.Close() // nothing is left to be told
	}
}
