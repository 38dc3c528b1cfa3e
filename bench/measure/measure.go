// Package measure is what the programs in bench share: latencies, the machine they ran on, medians of
// rounds, and the tables that they print.
//
// Invariant: a figure is a median of rounds with its spread beside it, and a ratio is the median of the
// ratios within each round, because on a shared machine two absolute figures from different moments say
// little about each other. The programs in bench/edge and bench/session call it.
package measure

import (
	"math"
	"slices"
)

// Series is one figure, measured once per round.
type Series []float64

// Median is the middle value; of an even number of rounds the mean of the middle two. Nothing measured: 0.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Spread is half of the distance from the least to the greatest, as a part of the median.
func (s Series) Spread() float64 {
	m := s.Median()
	if len(s) == 0 || m == 0 {
		return 0
	}
	return (slices.Max(s) - slices.Min(s)) / 2 / math.Abs(m)
}

// Over are the ratios to another series, round by round.
func (s Series) Over(other Series) Series {
	out := make(Series, 0, len(s))
	for i := range min(len(s), len(other)) {
		if other[i] != 0 {
			out = append(out, s[i]/other[i])
		}
	}
	return out
}
