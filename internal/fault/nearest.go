package fault

import (
	"slices"
	"strings"
)

// Nearest is the known name with the least edits to name, for a hint that asks for what was meant. It is
// empty when none is near: the edits must be few enough to be a slip, a third of the letters, or two in a
// word of four or five.
func Nearest(name string, known []string) string {
	if len(name) > maxName {
		return "" // callers choose names; the work for one stays small
	}
	name = strings.ToLower(name)
	best, least := "", min(max(1, len(name)/2), max(2, len(name)/3))+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if n := edits(name, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// maxName is longer than any name that one of ours could be a slip of.
const maxName = 64

// edits is the Levenshtein distance, in bytes: names here are ASCII, and a slip in another alphabet only
// costs a suggestion.
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
