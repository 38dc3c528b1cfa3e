package app

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

// auditor writes one line for each event of a session: ids, never a secret.
type auditor struct {
	log    *slog.Logger
	guests rollout.Millionths // share of the guests' sessions that are on record
}

// newAuditor gives nil where nothing is to be on record. The level of the other lines does not hold for these:
// who looks for less noise must not lose them.
func newAuditor(w io.Writer, c config.Log) (session.Auditor, error) {
	if c.Audit == "off" {
		return nil, nil
	}
	log, err := telemetry.NewLogger(w, slog.LevelInfo, c.Format)
	if err != nil {
		return nil, err
	}
	return &auditor{log: log, guests: rollout.Millionths(c.AuditGuests)}, nil
}

func (a *auditor) Audit(e session.Event) {
	if e.Kind == session.Guest && !a.sampled(e.Lineage) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	attrs = append(attrs, slog.Bool("audit", true), slog.String("at", e.At.UTC().Format(time.RFC3339Nano)))
	text("by", e.By)
	if !e.Session.IsZero() {
		text("session", e.Session.String())
	}
	if !e.Lineage.IsZero() {
		text("lineage", e.Lineage.String())
	}
	if e.Generation != 0 {
		attrs = append(attrs, slog.Uint64("generation", uint64(e.Generation)))
	}
	if e.Kind != 0 {
		text("kind", e.Kind.String())
	}
	text("subject", e.Subject)
	if !e.Visitor.IsZero() {
		text("visitor", e.Visitor.String())
	}
	if len(e.Methods) > 0 {
		attrs = append(attrs, slog.Any("methods", e.Methods))
	}
	text("level_of_assurance", e.Level)
	text("origin", e.Origin)
	text("reason", e.Reason)
	if e.Name == session.EventEnded {
		attrs = append(attrs, slog.Int("sessions", e.Sessions))
	}
	if e.Everybody {
		attrs = append(attrs, slog.Bool("everybody", true))
	}
	if !e.Except.IsZero() {
		text("except", e.Except.String())
	}
	if e.Mark != 0 {
		attrs = append(attrs, slog.Uint64("mark", uint64(e.Mark)))
	}
	a.log.LogAttrs(context.Background(), slog.LevelInfo, string(e.Name), attrs...)
}

// sampled picks by the lineage, whose last bytes are random, so that the events of one session are all on
// record or none is.
func (a *auditor) sampled(l session.Lineage) bool {
	return uint64(binary.BigEndian.Uint32(l[12:]))*uint64(rollout.Whole)>>32 < uint64(a.guests)
}
