package control

import (
	"fmt"
	"strings"
)

// didYouMean asks for the name that was probably meant, or is empty when none is near.
func didYouMean(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, known := range names {
		if n := edits(strings.ToLower(name), known); n < least && n < len(known) {
			best, least = known, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q? ", best)
}

// edits is the Levenshtein distance in bytes; long names are told to be far, since callers choose them.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
