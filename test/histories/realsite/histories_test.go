package realsite_test

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/test/histories"
	"crossfade.dev/crossfade/test/histories/realsite"
)

// TestHistories plays random lives of browsers against the real edge, manager and store.
func TestHistories(t *testing.T) {
	base := t.TempDir()
	enough(t, "600")
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		site := realsite.New(t, dir)
		defer os.RemoveAll(dir)
		defer site.Close()
		t.Repeat(histories.NewHistory(site).Actions())
	})
}

// enough runs more histories than rapid's 100, which are over in a moment and meet few faults at once;
// -rapid.checks chooses another number.
func enough(t *testing.T, histories string) {
	t.Helper()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(histories); err != nil {
			t.Fatal(err)
		}
	}
}
