package sqlstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// TestStore_Close_files: a store that was closed gives every descriptor back, also those of
// reads whose caller went away.
func TestStore_Close_files(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{Path: filepath.Join(dir, "session.db")}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		for range 20 {
			go s.Head(gone, session.ID{byte(i)})
			go s.Generations(gone, session.Lineage{byte(i)})
		}
		cancel()
		s.Outstanding(t.Context())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range open {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); strings.HasPrefix(to, dir) {
			n++
		}
	}
	if n > 0 {
		t.Fatalf("%d files of closed stores are open", n)
	}
}
