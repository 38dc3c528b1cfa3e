package app

import (
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
)

func TestDegraded(t *testing.T) {
	checks := map[string]string{"sessions": "ok", "control": "ok"}
	if degraded(checks, nil, 0); checks["sessions"] != "ok" || checks["control"] != "ok" {
		t.Errorf("all is well, and it says %v", checks)
	}
	degraded(checks, fault.New(fault.Unavailable, "the session database is full"), 1)
	if checks["sessions"] != "refuses writes: the session database is full" || !strings.HasPrefix(checks["control"], "refuses writes: a kill") {
		t.Errorf("%v", checks)
	}
}
