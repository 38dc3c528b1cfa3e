package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/rollout"
	"crossfade.dev/crossfade/session"
)

func TestAuditor(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 1e6, time.UTC)
	line := func(t *testing.T, c config.Log, e session.Event) map[string]any {
		t.Helper()
		var log bytes.Buffer
		a, err := newAuditor(&log, c)
		if err != nil {
			t.Fatal(err)
		}
		a.Audit(e)
		if log.Len() == 0 {
			return nil
		}
		var out map[string]any
		if err := json.Unmarshal(log.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := config.Log{Level: "error", Format: "json", Audit: "on", AuditGuests: config.Whole}

	t.Run("an event is one line of JSON, whatever the level", func(t *testing.T) {
		got := line(t, all, session.Event{Name: session.EventEnded, At: at, By: "admin ada", Subject: "42", Reason: "stolen", Sessions: 2,
			Except: session.ID{1}, Mark: 7})
		delete(got, "time")
		want := map[string]any{"level": "INFO", "msg": "session.ended", "audit": true, "at": "2026-07-01T12:00:00.001Z", "by": "admin ada",
			"subject": "42", "reason": "stolen", "sessions": 2.0, "except": "01" + strings.Repeat("0", 30), "mark": 7.0}
		if !maps.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
	t.Run("a login says how", func(t *testing.T) {
		got := line(t, all, session.Event{Name: session.EventUpgraded, At: at, Kind: session.Authenticated, Session: session.ID{2}, Subject: "42", Methods: []string{"pwd", "otp"}})
		if got["kind"] != "authenticated" || got["session"] != "02"+strings.Repeat("0", 30) || len(got["methods"].([]any)) != 2 {
			t.Errorf("%v", got)
		}
	})
	t.Run("of guests as many as are asked for, by session; logins and ends always", func(t *testing.T) {
		some := all
		some.AuditGuests = config.Share(rollout.Whole / 4)
		kept := 0
		for n := range uint32(1000) {
			l := session.Lineage{}
			binary.BigEndian.PutUint32(l[12:], n*4_294_967)
			guest := session.Event{Name: session.EventCreated, At: at, Kind: session.Guest, Lineage: l}
			again := guest
			again.Name = session.EventRotated
			switch created, rotated := line(t, some, guest), line(t, some, again); {
			case (created == nil) != (rotated == nil):
				t.Fatal("half of a session is on record")
			case created != nil:
				kept++
			}
			again.Kind = session.Authenticated
			if n%100 == 0 && (line(t, some, again) == nil || line(t, some, session.Event{Name: session.EventEnded, Lineage: l}) == nil) {
				t.Fatal("a login or an end is not on record")
			}
		}
		if kept < 249 || kept > 251 {
			t.Errorf("%d of 1000", kept)
		}
	})
	t.Run("off is off", func(t *testing.T) {
		if a, err := newAuditor(nil, config.Log{Audit: "off"}); a != nil || err != nil {
			t.Error(a, err)
		}
	})
	t.Run("every event is documented", func(t *testing.T) {
		page, err := os.ReadFile("../../docs/audit.md")
		if err != nil {
			t.Fatal(err)
		}
		names := []session.EventName{session.EventCreated, session.EventUpgraded, session.EventSteppedUp, session.EventRotated, session.EventExchanged,
			session.EventRefused, session.EventRestored, session.EventReleased, session.EventEnded, session.EventLimited}
		for _, name := range slices.Sorted(slices.Values(names)) {
			if !bytes.Contains(page, []byte("`"+string(name)+"`")) {
				t.Errorf("docs/audit.md lacks %s", name)
			}
		}
	})
}
