package app

import (
	"context"
	"log/slog"

	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/legacy"
	"crossfade.dev/crossfade/legacy/httpbridge"
	"crossfade.dev/crossfade/rollout"
)

// observer turns what the edge tells into metrics, and the few things that an auditor asks for into log
// lines. It is on the request's path: it counts, and writes only what is rare or was asked for.
type observer struct {
	metrics  *telemetry.Metrics
	log      *slog.Logger
	scheme   string
	requests bool // one line per request
}

var _ edge.Observer = observer{}

// Served records a response.
func (o observer) Served(s edge.Served) {
	o.metrics.Served(telemetry.Request{Method: s.Method, Scheme: o.scheme, Status: s.Status, Route: s.Route,
		System: s.System.String(), Arm: s.Arm.String()}, s.Duration)
	if o.requests {
		o.log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("id", s.ID), slog.String("method", s.Method),
			slog.String("route", s.Route), slog.String("upstream", s.Upstream), slog.Int("status", s.Status),
			slog.Duration("took", s.Duration), slog.String("system", s.System.String()))
	}
}

// Crossed counts a verdict: who governs and why, and what became of the handover.
func (o observer) Crossed(c edge.Crossed) {
	o.metrics.Entry(c.System.String(), string(c.Decision))
	outcome := "kept"
	switch {
	case c.Frozen:
		outcome = "frozen"
	case c.Changed:
		outcome = "changed"
	}
	o.metrics.Handover(outcome, string(c.Reason))
}

// Operated records one call to the bridge or the store.
func (o observer) Operated(p edge.Operated) { o.metrics.Operation(p.Name, p.Outcome, p.Duration) }

// Exposed counts a first meeting with the experiment.
func (o observer) Exposed(e edge.Exposure) { o.metrics.Exposure(e.Arm.String(), e.Confirmed) }

// Reached counts a funnel step.
func (o observer) Reached(s edge.Step) { o.metrics.Step(s.Step, s.Arm.String()) }

// Magic writes an audit line.
func (o observer) Magic(m edge.MagicUse) {
	o.log.Info("magic cookie", "id", m.ID.String(), "visitor", m.Visitor.String(), "bound", m.Bound, "refused", m.Refused)
}

// LeftBehind counts what did not cross: that is how a site learns which keys its mapping has forgotten.
func (o observer) LeftBehind(left []legacy.LeftBehind, undeclared []string) {
	for _, l := range left {
		o.metrics.LeftBehind(l.Key, l.Reason)
	}
	for _, key := range undeclared {
		o.metrics.Undeclared(key)
	}
}

// Counted counts by name. Lost logins and conflicts have counters of their own, since alerts watch them.
func (o observer) Counted(name edge.Count, arm rollout.System) {
	switch name {
	case edge.CountLostLogin:
		o.metrics.LostLogin(arm.String())
	case edge.CountConflict, edge.CountDuplicate:
		o.metrics.CookieConflict(string(name))
	default:
		o.metrics.Event(string(name))
	}
}

// bridgeCall records what the bridge tells of each of its calls.
func bridgeCall(m *telemetry.Metrics) func(httpbridge.Observation) {
	return func(o httpbridge.Observation) {
		if o.Shed {
			m.BridgeShed(o.Method, "breaker")
			return
		}
		m.BridgeCall(o.Method, o.Outcome, o.Duration)
	}
}
