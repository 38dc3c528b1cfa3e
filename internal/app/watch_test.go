package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/telemetry"
	"crossfade.dev/crossfade/session"
)

// TestWatched: a lost watch is said, and only where there is one.
func TestWatched(t *testing.T) {
	for _, c := range []struct {
		w    session.Watch
		says bool
	}{
		{session.Watch{Alive: true}, false},
		{session.Watch{Shared: true, Alive: true, AsOf: time.Now()}, false},
		{session.Watch{Shared: true}, true},
	} {
		if got := watched(c.w); (got != "") != c.says {
			t.Errorf("%+v: says %q", c.w, got)
		}
	}
}

// TestSessionObserver: a suspicion is one line for an auditor, a race and a repetition are none.
func TestSessionObserver(t *testing.T) {
	tel, err := telemetry.New("test")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := sessionObserver{metrics: tel.Metrics, log: slog.New(slog.NewTextHandler(&log, nil))}
	id := session.ID{1}
	o.Reused(session.Reuse{Class: session.ReuseRace, Session: id})
	o.Reused(session.Reuse{Class: session.ReuseTheft, Session: id, Again: true})
	if log.Len() != 0 {
		t.Fatalf("logged %s", log.String())
	}
	o.Reused(session.Reuse{Class: session.ReuseTheft, Session: id, Subject: "u1"})
	if !strings.Contains(log.String(), id.String()) || !strings.Contains(log.String(), "u1") {
		t.Fatalf("logged %q", log.String())
	}
}
