package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/session"
)

// sessionObserver turns what the session plane tells into metrics, and a suspicion into a line for an auditor.
type sessionObserver struct {
	metrics *telemetry.Metrics
	log     *slog.Logger
}

var _ session.Observer = sessionObserver{}

// RevocationLag records it.
func (o sessionObserver) RevocationLag(d time.Duration) { o.metrics.RevocationLag(d) }

// WatchLost counts it; the manager has said why.
func (o sessionObserver) WatchLost() { o.metrics.WatchLost() }

// ReadThrough counts it.
func (o sessionObserver) ReadThrough() { o.metrics.ReadThrough() }

// Reused counts it. A suspicion is told once in a while per session: nothing ended because of it.
func (o sessionObserver) Reused(r session.Reuse) {
	o.metrics.SecretReused(string(r.Class))
	if r.Class == session.ReuseTheft && !r.Again {
		o.log.LogAttrs(context.Background(), slog.LevelWarn, "a replaced session token was presented after its grace: stolen, or a browser restored from a backup",
			slog.String("session", r.Session.String()), slog.String("lineage", r.Lineage.String()), slog.String("subject", r.Subject),
			slog.String("hint", "if the user knows nothing of it, end the sessions of this subject"))
	}
}

// publishWatch publishes how this process stands to a session store that it shares.
func (a *App) publishWatch(now func() time.Time) error {
	m := a.telemetry.Metrics
	return errors.Join(
		m.Gauge("crossfade.session.watch.alive", "1", "1 while what this process remembers of sessions may be believed, 0 while each request asks the store.",
			func() float64 {
				if a.sessions.Watch().Alive {
					return 1
				}
				return 0
			}),
		m.Gauge("crossfade.session.watch.age", "s", "Time since the shared session store last vouched for what this process remembers; 0 with the embedded store, and before the first time.",
			func() float64 {
				if w := a.sessions.Watch(); w.Shared && !w.AsOf.IsZero() {
					return now().Sub(w.AsOf).Seconds()
				}
				return 0
			}),
	)
}

// watched says what a lost watch means, for readiness; empty: nothing to say.
func watched(w session.Watch) string {
	if !w.Shared || w.Alive {
		return ""
	}
	return "the watch of the session store is lost: each request asks the store"
}
