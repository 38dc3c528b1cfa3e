package config_test

import (
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/config"
)

func TestSession_Preset(t *testing.T) {
	for name, c := range map[string]struct {
		lines          string
		idle, absolute time.Duration
		warns          string
	}{
		"none":                          {"", 14 * 24 * time.Hour, 30 * 24 * time.Hour, ""},
		"nist-aal1":                     {"preset: nist-aal1", 14 * 24 * time.Hour, 30 * 24 * time.Hour, ""},
		"nist-aal2":                     {"preset: nist-aal2", time.Hour, 24 * time.Hour, ""},
		"nist-aal3":                     {"preset: nist-aal3", 15 * time.Minute, 12 * time.Hour, ""},
		"owasp":                         {"preset: owasp", 30 * time.Minute, 8 * time.Hour, ""},
		"a field that is set overrides": {"preset: owasp\n  idle: 5m", 5 * time.Minute, 8 * time.Hour, ""},
		"and where it is longer, a check says so": {"idle: 2h\n  preset: nist-aal2", 2 * time.Hour, 24 * time.Hour, "session.idle, 2h, overrides session.preset nist-aal2"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := config.Parse("f", []byte(sessionWith(c.lines)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Session.Idle.D() != c.idle || got.Session.Absolute.D() != c.absolute {
				t.Errorf("idle %s, absolute %s", got.Session.Idle, got.Session.Absolute)
			}
			if warns := strings.Join(got.Warnings(), "\n"); (c.warns == "") != !strings.Contains(warns, "preset") || !strings.Contains(warns, c.warns) {
				t.Errorf("warns %q", warns)
			}
		})
	}
	t.Run("one that is none is refused", func(t *testing.T) {
		if _, err := config.Parse("f", []byte(sessionWith("preset: nist-aal4"))); err == nil || !strings.Contains(err.Error(), "nist-aal4") {
			t.Errorf("%v", err)
		}
	})
}

// sessionWith is a good configuration with these lines in its section session, and no others.
func sessionWith(lines string) string {
	before, after, _ := strings.Cut(good, "session:\n")
	for strings.HasPrefix(after, " ") {
		_, after, _ = strings.Cut(after, "\n")
	}
	if lines == "" {
		return before + after
	}
	return before + "session:\n  " + lines + "\n" + after
}
