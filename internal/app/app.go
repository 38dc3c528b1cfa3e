// Package app is the composition root: it makes a running Crossfade out of a configuration, and is the
// only package that sees every plane.
//
// Invariant: it only wires. What is opened is closed, in the order opposite to the start; requests that
// are under way when the process stops or reloads are answered by what they began with. The command
// line and the tests start the very same thing.
package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/contextjwt"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/endrun"
)

// Options are what an application gets from its process. Zero fields are what a real process has.
type Options struct {
	Version string
	Log     io.Writer           // default: standard error
	Getenv  func(string) string // default: os.Getenv
	Clock   func() time.Time    // default: time.Now
	Rand    io.Reader           // default: crypto/rand.Reader
	// Public and Internal are listeners that are open already: a supervisor's, or a test's. Nil: opened as
	// the configuration says. The application closes them.
	Public, Internal net.Listener
	// Reload asks for the configuration to be read again (SIGHUP). Nil: only changes of the file do.
	Reload <-chan os.Signal
}

func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// App is one Crossfade: what lives as long as the process, and the generation that serves now.
type App struct {
	cfg       *config.Config // that the process was started with
	opts      Options
	log       *slog.Logger
	level     *slog.LevelVar
	telemetry *telemetry.Telemetry
	ring      *keyring.Ring
	keyPrint  [sha256.Size]byte // of the keys in the ring
	control   *control.Control
	store     sessionStore
	records   session.Store // the store as everybody reads it: opened, where it is sealed
	sessions  *session.Manager
	signer    *contextjwt.Signer
	outbox    *outbox
	endings   *endings
	endRuns   *endrun.Runner
	current   generations
	servers   servers

	opened []closer // in the order in which it was opened
}

// closer is something that was opened, by name, for the log.
type closer struct {
	name  string
	close func(context.Context) error
}

// New opens everything and serves nothing yet. On failure nothing stays open.
//
// The order: first the listeners, because a port that is taken should be told before a database is
// touched, and because browsers that come while the databases open wait in the listener's queue rather
// than being turned away. Then what others rest on: metrics, keys, databases (control first: it is the
// smaller one and holds the lock that a second process runs into), the session manager, and last the
// generation, which needs all of it.
func New(ctx context.Context, cfg *config.Config, opts Options) (_ *App, err error) {
	a := &App{cfg: cfg, opts: opts.withDefaults(), level: new(slog.LevelVar)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(ctx))
		}
	}()
	if a.log, err = telemetry.NewLogger(a.opts.Log, a.level, cfg.Log.Format); err != nil {
		return nil, err
	}
	if err := a.level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "log.level %q is unknown", cfg.Log.Level)
	}
	secrets, err := cfg.ReadSecrets(a.opts.Getenv)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		a.listen,
		a.openTelemetry,
		func() error { return a.openKeys(secrets) },
		func() error { return a.openControl(ctx) },
		func() error { return a.openSessions(ctx, secrets) },
		a.openEndRuns,
		func() error { return a.firstGeneration(secrets) },
		a.openOutbox,
		a.publishGauges,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) opens(name string, closing func(context.Context) error) {
	a.opened = append(a.opened, closer{name, closing})
}

func (a *App) openTelemetry() (err error) {
	if a.telemetry, err = telemetry.New(a.opts.Version); err != nil {
		return err
	}
	a.opens("telemetry", a.telemetry.Close)
	return nil
}

func (a *App) openKeys(secrets *config.Secrets) (err error) {
	if a.ring, err = keyring.New(a.opts.Rand, secrets.Keys...); err != nil {
		return fault.Wrap(err, fault.Invalid, "the keys cannot be used: %v", err)
	}
	a.keyPrint = fingerprint(secrets.Keys)
	a.signer, err = contextjwt.NewSigner(contextjwt.SignerConfig{Ring: a.ring, Clock: a.opts.Clock})
	return err
}

func (a *App) openControl(ctx context.Context) (err error) {
	if err := os.MkdirAll(a.cfg.Data.Folder, 0o700); err != nil {
		return fault.Wrap(err, fault.Invalid, "cannot make the data folder %s", a.cfg.Data.Folder).
			WithHint("make it writable for this user, or name another as data.folder")
	}
	a.control, err = control.Open(ctx, control.Config{
		Path:         filepath.Join(a.cfg.Data.Folder, "control.db"),
		Stages:       a.cfg.Rollout.Ladder(),
		ControlSlice: rollout.Millionths(a.cfg.Rollout.ControlSlice),
		Removable:    control.Removable(site(a.cfg)),
	}, control.Deps{Now: a.opts.Clock, Rand: a.opts.Rand, Ring: a.ring, Log: a.log})
	if err != nil {
		return err
	}
	a.opens("control", func(context.Context) error { return a.control.Close() })
	// Before the database is closed, the rows that are on their way are written or given up.
	a.endings = &endings{write: a.control.Record, log: a.log}
	a.opens("endings", func(context.Context) error { a.endings.wait(); return nil })
	return nil
}

func (a *App) openSessions(ctx context.Context, secrets *config.Secrets) (err error) {
	a.store, err = openStore(ctx, a.cfg, secrets.Store, a.log)
	if err != nil {
		return err
	}
	a.opens("session store", func(context.Context) error { return a.store.Close() })
	s := a.cfg.Session
	if a.records, err = a.openSealed(ctx, a.store); err != nil {
		return err
	}
	a.sessions, err = session.New(session.Config{
		Idle: s.Idle.D(), Absolute: s.Absolute.D(), Grace: s.Grace.D(), GuestLife: s.GuestLife.D(),
		CacheSize: s.Cache.Entries, CacheFor: s.Cache.Bound.D(), StaleFor: s.Cache.Stale.D(),
		PerSubject: s.PerSubject.Limit, Beyond: beyond(s.PerSubject.Beyond), GuestRate: s.Rate.Guests, LoginRate: s.Rate.Logins,
		Limits: session.Limits{Keys: s.Limits.Keys, KeyBytes: s.Limits.KeyBytes, Bytes: s.Limits.TotalBytes},
	}, a.records, a.ring, a.opts.Clock, a.opts.Rand, a.log)
	if err != nil {
		return err
	}
	a.sessions.Observe(sessionObserver{a.telemetry.Metrics, a.log})
	// Stopping writes down the activity that is waiting, so it comes before the store is closed.
	a.opens("session manager", func(ctx context.Context) error { a.sessions.Stop(ctx); return nil })
	return nil
}

func (a *App) publishGauges() error {
	m, now := a.telemetry.Metrics, a.opts.Clock
	return errors.Join(
		m.Gauge("crossfade.snapshot.version", "{version}", "Version of the rollout snapshot in use.",
			func() float64 { return float64(a.control.Snapshot().Version()) }),
		m.Gauge("crossfade.snapshot.age", "s", "Time since the control plane last confirmed the snapshot.",
			func() float64 { return a.control.Snapshot().Age(now()).Seconds() }),
		m.Gauge("crossfade.ends.outstanding", "{end}", "Ended sessions that legacy has not confirmed.",
			func() float64 { return float64(a.sessions.Outstanding()) }),
		a.publishWatch(now),
	)
}

// Close stops serving, if Run has not, and closes what New opened, last first. It gives up waiting for
// requests when ctx ends, and closes the databases all the same. Closing twice is closing once.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	for len(a.opened) > 0 {
		last := a.opened[len(a.opened)-1]
		a.opened = a.opened[:len(a.opened)-1]
		if err := last.close(ctx); err != nil {
			a.log.Error("close failed", "what", last.name, "err", err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
