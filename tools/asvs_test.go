package tools_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
)

var proof = regexp.MustCompile("\\| `([^`]+\\.(?:go|py))` `([^`]+)` \\|$")

// TestASVS wants the test that each row of docs/asvs.md names, and a row without one to say whose it is.
func TestASVS(t *testing.T) {
	rows := 0
	for line := range strings.Lines(read(t, "docs/asvs.md")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| 7.") && !strings.HasPrefix(line, "| 3.") {
			continue
		}
		rows++
		named := proof.FindStringSubmatch(line)
		if named == nil {
			if !strings.Contains(line, "*Yours*") && !strings.Contains(line, "*Open*") {
				t.Errorf("no test, and neither *Yours* nor *Open*: %s", line)
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join(testenv.Root(t), named[1]))
		if err != nil || !strings.Contains(string(text), named[2]) {
			t.Errorf("%s has no test %q: %s", named[1], named[2], line)
		}
	}
	if rows != 24 {
		t.Errorf("%d rows, want 24: is the search still right?", rows)
	}
}
