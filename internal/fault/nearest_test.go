package fault_test

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
)

func TestNearest(t *testing.T) {
	known := []string{"sessions", "upstreams", "keys"}
	for name, want := range map[string]string{
		"sesions": "sessions", "Upstream": "upstreams", "kesy": "keys", // slips
		"something-else": "", "": "", strings.Repeat("s", 10_000): "", // nothing near
	} {
		if got := fault.Nearest(name, known); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
}
