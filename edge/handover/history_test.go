package handover_test

import (
	"testing"

	"pgregory.net/rapid"

	"crossfade.dev/crossfade/test/histories"
)

// TestHistories plays random lives of browsers against the pure decision. The same histories run against
// the real edge and manager in test/histories/realsite.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(histories.NewHistory(newModel()).Actions())
	})
}
