package measure

import (
	"math/bits"
	"time"
)

const (
	// subBuckets per power of two keep the error of a percentile under 1.6 %.
	subBuckets = 64
	subBits    = 6
	groups     = 64 - subBits
)

// Histogram counts durations in buckets that grow with the duration, so that recording one is an addition
// and holds no memory. It belongs to one goroutine.
type Histogram struct {
	counts [groups * subBuckets]uint64
	total  uint64
}

// Record adds one duration.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
}

// Add takes over what another one recorded.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// Count is the number of durations.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile is the duration that this part of all did not exceed: 0.5 is the median. Nothing recorded: 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && (seen > rank || seen == h.total) {
			return middleOf(i)
		}
	}
	return 0
}

// bucketOf puts durations below 64 ns into buckets of one nanosecond; above that each power of two has 64.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	group := bits.Len64(v) - subBits
	return group*subBuckets + int(v>>(group-1))&(subBuckets-1)
}

func middleOf(bucket int) time.Duration {
	group, sub := bucket/subBuckets, uint64(bucket%subBuckets)
	if group == 0 {
		return time.Duration(sub)
	}
	width := uint64(1) << (group - 1)
	return time.Duration((subBuckets+sub)*width + width/2)
}
