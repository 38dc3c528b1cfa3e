package session

import (
	"time"

	"github.com/maypok86/otter/v2"
)

// ReuseClass says what the presentation of a replaced secret looks like. None of them ends anything: the
// one secret that is presented is judged, and nobody's other sessions are logged out on a suspicion.
type ReuseClass string

// The classes. Only the last is worth somebody's attention: a browser that has used a newer secret has
// overwritten the older one, unless it was restored from a backup.
const (
	// ReuseRace: parallel requests, while the answer that carried the successor was under way, or within the
	// grace of its first use. They get the winner's token, or after a login the view.
	ReuseRace ReuseClass = "race"
	// ReuseRetry: the successor was never presented, long after it was made: the answer was lost. A new one is
	// made, and what is presented now goes on until that is used.
	ReuseRetry ReuseClass = "retry"
	// ReuseTheft: the successor is in use, and the grace is over. The secret opens nothing.
	ReuseTheft ReuseClass = "theft"
)

// Reuse is told to an [Observer].
type Reuse struct {
	Class   ReuseClass
	Session ID
	Lineage Lineage
	Subject string
	At      time.Time
	// Again: the same class was told of this session less than a grace ago.
	Again bool
}

// maxClosed is how many secrets are remembered that open nothing any more: enough to tell a stolen one from a
// guess, in a record that stays small.
const maxClosed = 2

func (m *Manager) reused(rec *Record, old *Previous, now time.Time) {
	class := ReuseTheft
	switch {
	case !old.open(rec, m.cfg.Grace, now):
	case old.View.IsZero() && rec.Used.IsZero() && !m.sealedOpen(rec, now):
		class = ReuseRetry
	default:
		class = ReuseRace
	}
	m.obs().Reused(Reuse{
		Class: class, Session: rec.ID, Lineage: rec.Lineage, Subject: rec.Subject, At: now,
		Again: !m.reuses.first(rec.ID, class, now, m.cfg.Grace),
	})
}

// reuses remembers what was told, so that who hammers with a stolen secret does not fill a log.
type reuses struct {
	c *otter.Cache[reuse, time.Time]
}

type reuse struct {
	id    ID
	class ReuseClass
}

func newReuses() reuses {
	return reuses{otter.Must(&otter.Options[reuse, time.Time]{MaximumSize: 10_000})}
}

func (r reuses) first(id ID, class ReuseClass, now time.Time, pause time.Duration) bool {
	k := reuse{id, class}
	if at, ok := r.c.GetIfPresent(k); ok && now.Sub(at) < pause {
		return false
	}
	r.c.Set(k, now)
	return true
}
