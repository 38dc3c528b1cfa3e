package handover_test

import (
	"flag"
	"testing"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/test/histories"
)

// TestHistories plays random lives of browsers against the pure decision. The same histories run against
// the real edge and manager in test/histories/realsite.
func TestHistories(t *testing.T) {
	enough(t, "5000")
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(histories.NewHistory(newModel()).Actions())
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
