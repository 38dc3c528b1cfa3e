package inventory

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Report is what a sample said. Everything but Store is about the live sessions of the sample, unless it says otherwise.
type Report struct {
	Store   Store     `json:"store"`
	Taken   time.Time `json:"taken"`
	Read    int       `json:"read"`    // sessions that were looked at
	Expired int       `json:"expired"` // of these, expired ones: they are in no other figure
	Live    int       `json:"live"`
	Cut     string    `json:"cut,omitempty"` // why the sample ended before it was whole

	Classes       []Share        `json:"classes"` // A, B and C, in this order
	Formats       []Share        `json:"formats"`
	Problems      []Share        `json:"problems,omitempty"`    // why sessions cannot be read
	VerifiedBy    []Share        `json:"verified_by,omitempty"` // which secret key their signature was made with
	Authenticated Share          `json:"authenticated"`
	Anonymous     Share          `json:"anonymous"`
	Saved         []Share        `json:"saved"`     // how long ago they were last saved
	Expires       []Share        `json:"expires"`   // how soon they end
	Size          Sizes          `json:"size"`      // of the stored sessions
	TooLarge      Share          `json:"too_large"` // sessions that hold more than crosses in one
	Keys          []KeyRow       `json:"keys"`      // by how many sessions have them
	Unknown       []string       `json:"unknown"`   // the keys that no rule and no usual package is about
	Hidden        int            `json:"keys_not_shown,omitempty"`
	Limits        map[string]int `json:"limits"` // bytes and keys that cross in one session
}

// Share is a part of the sample.
type Share struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	Share float64 `json:"share"` // 0 to 1
	// Low and High are where the share in the whole store is, with 95 % confidence (Wilson's interval).
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Sizes are in bytes.
type Sizes struct {
	P50 int `json:"p50"`
	P95 int `json:"p95"`
	Max int `json:"max"`
}

// KeyRow is one key of the sample's sessions.
type KeyRow struct {
	Name   string  `json:"key"` // * stands for what is not shown
	Count  int     `json:"sessions"`
	Share  float64 `json:"share"`
	Types  []Share `json:"types"` // of its values, the most frequent first
	Size   Sizes   `json:"size"`
	Class  Class   `json:"class"` // the worst of its values
	Owner  string  `json:"owner,omitempty"`
	Guess  bool    `json:"owner_by_name,omitempty"` // nobody declared the owner: packages with this name usually have it
	Rule   bool    `json:"declared"`                // a rule of the mapping is about it, or it always crosses
	Target string  `json:"crosses_as,omitempty"`    // its name on the other side; empty: it stays
	Moves  int     `json:"moves"`                   // values that would cross
	Stays  []Share `json:"stays,omitempty"`         // why the others would not
}

// share of n in all.
func share(name string, n, all int) Share {
	s := Share{Name: name, Count: n}
	if all == 0 {
		return s
	}
	const z = 1.96
	total := float64(all)
	s.Share = float64(n) / total
	middle := (s.Share + z*z/(2*total)) / (1 + z*z/total)
	half := z / (1 + z*z/total) * math.Sqrt(s.Share*(1-s.Share)/total+z*z/(4*total*total))
	s.Low, s.High = max(0, middle-half), min(1, middle+half)
	return s
}

// shares of a count by name, the largest first.
func shares(counts map[string]int, all int) []Share {
	out := []Share{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, share(name, counts[name], all))
	}
	slices.SortStableFunc(out, func(a, b Share) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func sizes(of []int) Sizes {
	if len(of) == 0 {
		return Sizes{}
	}
	slices.Sort(of)
	at := func(q float64) int { return of[max(0, int(math.Ceil(q*float64(len(of))))-1)] }
	return Sizes{P50: at(0.5), P95: at(0.95), Max: of[len(of)-1]}
}

// span is a heading and the time that it reaches to.
type span struct {
	name string
	to   time.Duration
}

var spans = []span{{"under 1 hour", time.Hour}, {"under 1 day", 24 * time.Hour}, {"under 7 days", 7 * 24 * time.Hour},
	{"under 14 days", 14 * 24 * time.Hour}, {"under 30 days", 30 * 24 * time.Hour}}

// Beyond the spans.
const (
	longer  = "30 days or more"
	unknown = "not known"
	never   = "never"
)

func spanOf(d time.Duration) string {
	for _, s := range spans {
		if d < s.to {
			return s.name
		}
	}
	return longer
}

// inOrder gives spans in their order, those that nobody is in as well.
func inOrder(counts map[string]int, all int, more ...string) []Share {
	out := []Share{}
	for _, s := range spans {
		out = append(out, share(s.name, counts[s.name], all))
	}
	for _, name := range append([]string{longer}, more...) {
		if counts[name] > 0 || name == longer {
			out = append(out, share(name, counts[name], all))
		}
	}
	return out
}

// Summary is the report in a line: "97.3 % A, 2.6 % B, 0.1 % C; 14 keys unknown".
func (r *Report) Summary() string {
	if r.Live == 0 {
		return "no live session was found"
	}
	var parts []string
	for _, c := range r.Classes {
		parts = append(parts, percent(c.Share)+" "+c.Name)
	}
	return strings.Join(parts, ", ") + "; " + count(len(r.Unknown), "key") + " unknown"
}
