package control

import (
	"fmt"

	"crossfade.dev/crossfade/internal/fault"
)

// didYouMean asks for the name that was probably meant, or is empty when none is near.
func didYouMean(name string, names []string) string {
	if best := fault.Nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %q? ", best)
	}
	return ""
}
