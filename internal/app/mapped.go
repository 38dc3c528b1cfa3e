package app

import (
	"os"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/mapping"
)

// readMapping reads the mapping; without a file every key moves that can.
func readMapping(file string) (*mapping.Mapping, error) {
	if file == "" {
		return mapping.New(mapping.File{})
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot read the mapping %s", file).
			WithHint("legacy.mapping.file names it; leave that out to move every key")
	}
	return mapping.Parse(text)
}
