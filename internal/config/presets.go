package config

import (
	"fmt"
	"maps"
	"slices"
)

// preset is what a guideline asks of the lives of sessions. Zero: it asks for nothing.
type preset struct{ idle, absolute Duration }

// presets by name. NIST SP 800-63B-4, sections 2.1.3, 2.2.3 and 2.3.3; OWASP Session Management Cheat Sheet.
var presets = map[string]preset{
	"nist-aal1": {absolute: 30 * Day},
	"nist-aal2": {idle: seconds(3600), absolute: Day},
	"nist-aal3": {idle: seconds(15 * 60), absolute: Day / 2},
	"owasp":     {idle: seconds(30 * 60), absolute: Day / 3},
}

// applyPreset sets what the file does not.
func (s *Session) applyPreset(k *check) {
	k.oneOf("session.preset", s.Preset, slices.Sorted(maps.Keys(presets))...)
	p := presets[s.Preset]
	for _, f := range []struct {
		path  string
		field *Duration
		value Duration
	}{{"session.idle", &s.Idle, p.idle}, {"session.absolute", &s.Absolute, p.absolute}} {
		if _, said := k.at[f.path]; !said && f.value != 0 {
			*f.field = f.value
		}
	}
	if _, said := k.at["session.idle"]; !said && s.Preset != "" {
		s.Idle = min(s.Idle, s.Absolute)
	}
}

// warnPreset says where a field is set to more than the preset that the file names.
func (s *Session) warnPreset() (out []string) {
	p := presets[s.Preset]
	if p.idle != 0 && s.Idle > p.idle {
		out = append(out, fmt.Sprintf("session.idle, %s, overrides session.preset %s, which asks for %s at most", s.Idle, s.Preset, p.idle))
	}
	if p.absolute != 0 && s.Absolute > p.absolute {
		out = append(out, fmt.Sprintf("session.absolute, %s, overrides session.preset %s, which asks for %s at most", s.Absolute, s.Preset, p.absolute))
	}
	return out
}
