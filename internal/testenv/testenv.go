// Package testenv gives tests the real things that they need: the program itself, Django, a browser,
// certificates, ports, a clock that stands still.
//
// Invariant: what is missing fails the test with the command that provides it; nothing is skipped, and
// everything started for a test is gone when the test is. Only tests call it.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Root is the folder of this checkout, where go.mod is.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("testenv: no go.mod above %s: run the tests inside a checkout", start)
		}
	}
}

// buildDir is where "make" puts what it builds and sets up.
func buildDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Root(t), ".build")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return dir
}
