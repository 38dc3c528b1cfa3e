package tools_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCI holds .ci/run and the Makefile together: each lists its sections itself, and a section that is in
// "make test" or "make check" alone would stand between nobody and a broken main.
func TestCI(t *testing.T) {
	makefile := read(t, "Makefile")
	ci := sections(t, read(t, ".ci/run"))
	for _, target := range []string{"test", "check"} {
		want := ingredients(t, makefile, target)
		for _, section := range want {
			if !slices.Contains(ci, section) {
				t.Errorf(`"make %s" runs %s, .ci/run does not: add it to the list at the end of .ci/run`, target, section)
			}
		}
	}
	targets := makeTargets(makefile)
	for _, section := range ci {
		if !targets[section] {
			t.Errorf(".ci/run runs %s, which is no target of the Makefile", section)
		}
	}
	// A section of tests that somebody adds belongs into all three: Makefile, "make test", .ci/run.
	for target := range targets {
		if strings.HasPrefix(target, "test-") && !slices.Contains(ingredients(t, makefile, "test"), target) {
			t.Errorf(`"make test" does not run %s: add it to the list of the target "test"`, target)
		}
	}
}

// ingredients are the targets that one consists of: its prerequisites, and what it gives to sections.sh.
func ingredients(t *testing.T, makefile, target string) []string {
	t.Helper()
	rule := regexp.MustCompile(`(?m)^` + target + `:([^#\n]*).*\n((?:\t.*\n)*)`).FindStringSubmatch(makefile)
	if rule == nil {
		t.Fatalf("the Makefile has no target %s", target)
	}
	out := strings.Fields(rule[1])
	if strings.Contains(rule[2], "sections.sh") {
		out = append(out, sections(t, rule[2])...)
	}
	if len(out) == 0 {
		t.Fatalf("%q consists of nothing: is the search still right?", target)
	}
	return out
}

// sections are the arguments of the one call of tools/sections.sh in a text.
func sections(t *testing.T, text string) []string {
	t.Helper()
	calls := regexp.MustCompile(`(?m)^[^#\n]*tools/sections\.sh ([^\n]*)$`).FindAllStringSubmatch(strings.ReplaceAll(text, "\\\n", " "), -1)
	if len(calls) != 1 {
		t.Fatalf("%d calls of tools/sections.sh, want 1", len(calls))
	}
	return strings.Fields(calls[0][1])
}
