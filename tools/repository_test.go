// Package tools_test holds the repository to its own rules: who may import whom, what every package says
// about itself, that the commands in the docs exist, and what no file may contain.
//
// Invariant: a rule here names its reason in the message, so that whoever meets it can judge it. It runs
// with the other Go tests, on the files as they are, committed or not yet.
package tools_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
)

const module = "crossfade.dev/crossfade"

// files are the paths of all files that are or would be committed, from the root, with slashes.
func files(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = testenv.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v: these tests run in a checkout, not in an unpacked archive", err)
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(testenv.Root(t), name)); err == nil { // deleted ones are still listed
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatal("git ls-files lists nothing")
	}
	return names
}

// filesWith are the files whose name ends in one of the suffixes, generated ones excepted.
func filesWith(t *testing.T, suffixes ...string) []string {
	t.Helper()
	var out []string
	for _, name := range files(t) {
		for _, suffix := range suffixes {
			if strings.HasSuffix(name, suffix) && !generated(name) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

func generated(name string) bool { return strings.HasPrefix(name, "proto/gen/") }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// folder is the folder of a file, "." for the root.
func folder(name string) string { return path.Dir(name) }
