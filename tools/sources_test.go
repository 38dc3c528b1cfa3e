package tools_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// longFiles may be longer than lineLimit, each for a reason.
var longFiles = map[string]string{}

// skips may skip a test, each for a reason; that something is not installed is none.
var skips = map[string]string{
	"control/crash_test.go":                         "the victim of a kill -9 is this test binary itself, told so by the environment",
	"examples/shop/storefront/web/messages_test.go": "the fuzzer offers what JSON cannot hold",
	"internal/contextjwt/keys_test.go":              "of two callers either may be first, and one order shows nothing",
}

// lineLimit is where a file usually houses two nouns.
const lineLimit = 500

func TestFileLength(t *testing.T) {
	for _, name := range filesWith(t, ".go", ".py", ".js", ".ts", ".css", ".html", ".sh", ".proto") {
		lines := strings.Count(read(t, name), "\n")
		reason, excused := longFiles[name]
		switch {
		case lines > lineLimit && !excused:
			t.Errorf("%s has %d lines: which second noun lives in it? If it is one story, give the reason in longFiles", name, lines)
		case lines > lineLimit:
			t.Logf("%s has %d lines: %s", name, lines, reason)
		case excused:
			t.Errorf("%s is no longer long: take it out of longFiles", name)
		}
	}
	for name := range longFiles {
		if !slices.Contains(files(t), name) {
			t.Errorf("longFiles names %s, which is gone: take it out", name)
		}
	}
}

// forbidden are texts that no committed file contains. The patterns are put together from pieces, so that
// this file does not contain them.
var forbidden = []struct {
	pattern *regexp.Regexp
	why     string
	in      func(name string) bool
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`), "what is left to do is an issue, and the code says what it does", code},
	{regexp.MustCompile(`(^|[\s"'=(:])/(ro` + `ot|ho` + `me/[a-z]+|Us` + `ers/[A-Za-z]+|wo` + `rk)/`), "a path of one machine means nothing on another", everything},
	{regexp.MustCompile(`\b(pypi\.(org|python\.org)|files\.pythonhosted\.org|registry\.npm` + `js\.org|proxy\.gol` + `ang\.org|deb\.deb` + `ian\.org)\b`),
		"which mirror packages come from is the machine's setting", everything},
	{regexp.MustCompile(`(?i)-----BEGIN [A-Z ]*PRIV` + `ATE KEY-----`), "keys are made where they are used, also in tests", everything},
	{regexp.MustCompile(`\bt\.Sk` + `ip(f|Now)?\(`), "what is missing fails with a hint: a skipped test looks like a passed one. If nothing is missing, say in skips why",
		func(name string) bool { return code(name) && skips[name] == "" }},
}

func code(name string) bool {
	for _, suffix := range []string{".go", ".py", ".js", ".ts", ".sh", ".proto", ".css", ".html", ".sql", "Makefile", ".ci/run"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

func everything(string) bool { return true }

// theirs are files whose text others wrote.
var theirs = map[string]bool{"go.sum": true, "tools/pinned/go.sum": true, "LICENSE": true}

func TestForbiddenText(t *testing.T) {
	for _, name := range files(t) {
		if theirs[name] || generated(name) || strings.Contains(name, "/testdata/") {
			continue
		}
		for number, line := range strings.Split(read(t, name), "\n") {
			for _, rule := range forbidden {
				if rule.in(name) && rule.pattern.MatchString(line) {
					t.Errorf("%s:%d: %q: %s", name, number+1, rule.pattern.FindString(line), rule.why)
				}
			}
		}
	}
}
