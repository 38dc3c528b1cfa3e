package config

import (
	"fmt"
	"strings"

	"crossfade.dev/crossfade/internal/fault"
)

// suggest is a hint with the name that was probably meant, or with all of them.
func suggest(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known here: " + strings.Join(known, ", ")
}

// nearest asks [fault.Nearest]; in YAML a dash for an underscore is a slip too.
func nearest(name string, known []string) string {
	return fault.Nearest(strings.ReplaceAll(name, "-", "_"), known)
}
