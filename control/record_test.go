package control_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/changelog"
)

func TestControl_Record(t *testing.T) {
	c := open(t, newClock(), nil)
	before := c.Snapshot().Version()
	newest := func(t *testing.T, n control.Note) changelog.Change {
		t.Helper()
		if err := c.Record(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		all, err := c.Changes(t.Context(), changelog.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	t.Run("what happened elsewhere is in the changelog", func(t *testing.T) {
		got := newest(t, control.Note{Author: "ada", Reason: "stolen", Action: "session_end", Subject: "subject 42", Detail: "2 sessions"})
		if got.Author != "ada" || got.Reason != "stolen" || got.Action != "session_end" || got.Subject != "subject 42" || got.Detail != "2 sessions" || got.At.IsZero() {
			t.Errorf("%+v", got)
		}
	})
	t.Run("it is no change of the snapshot", func(t *testing.T) {
		if after := c.Snapshot().Version(); after != before {
			t.Errorf("version %d became %d", before, after)
		}
	})
	t.Run("whatever is said is recorded, as a line that fits", func(t *testing.T) {
		got := newest(t, control.Note{Reason: strings.Repeat("é", 2000), Subject: "a\nb\x00c\xff", Action: "session_end"})
		if got.Author != "not said" || len(got.Reason) > 1000 || !utf8.ValidString(got.Reason) || !strings.HasSuffix(got.Reason, "…") || got.Subject != "a b c?" {
			t.Errorf("%+v", got)
		}
	})
}
