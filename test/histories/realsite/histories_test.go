package realsite_test

import (
	"os"
	"testing"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/test/histories"
	"crossfade.dev/crossfade/test/histories/realsite"
)

// TestHistories plays random lives of browsers against the real edge, manager and store.
func TestHistories(t *testing.T) {
	base := t.TempDir()
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
