package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// TestOpen_marks: legacy systems remember marks, so a database that begins again (new, or from a backup)
// must not draw marks that are older than those of before.
func TestOpen_marks(t *testing.T) {
	draw := func(dir string) session.Mark {
		t.Helper()
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(dir, "session.db")}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		res, err := s.Commit(t.Context(), session.EndEverybody{Reason: "test", At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return res.Mark
	}
	dir := t.TempDir()
	before := draw(dir)
	if before < session.Mark(time.Now().Add(-time.Hour).Unix()) {
		t.Fatalf("the first mark is %d, older than an hour", before)
	}
	if again := draw(dir); again <= before {
		t.Fatalf("mark %d after %d: the sequence went back", again, before)
	}
}
