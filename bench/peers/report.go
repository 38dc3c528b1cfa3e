package peers

import (
	"fmt"
	"strings"

	"crossfade.dev/crossfade/bench/measure"
)

func (r Run) report(entries []*entry, skipped []string) {
	fmt.Fprintf(r.Out, "machine: %s\n", measure.Machine())
	fmt.Fprintf(r.Out, "sessions: %s of as many customers, and %s dead ones of one; medians of %d rounds\n\n",
		measure.Number(float64(r.Sessions)), measure.Number(float64(r.Dead)), r.Rounds)
	for _, e := range entries {
		if e.version != "" && !isOurs(e) {
			fmt.Fprintf(r.Out, "%s: %s\n", e.name, e.version)
		}
	}
	for _, s := range skipped {
		fmt.Fprintf(r.Out, "skipped: %s\n", s)
	}
	for _, c := range cells {
		fmt.Fprintf(r.Out, "\n%s, %s\n\n", c.task, callers(c))
		t := measure.Table{Head: []string{"contestant", "per second", "spread", "p50 µs", "p99 µs", "CPU µs"}}
		for _, e := range entries {
			f := e.results[c]
			if f.not != "" || len(f.rate) == 0 {
				continue
			}
			t.Row(e.name, measure.Number(f.rate.Median()), measure.Percent(f.rate.Spread()),
				measure.Micros(f.p50.Median()), measure.Micros(f.p99.Median()), measure.Micros(f.cpu.Median()))
		}
		t.Write(r.Out)
	}
	fmt.Fprintln(r.Out)
	r.goals(entries)
}

func callers(c cell) string {
	if c.callers == 1 {
		return "one caller"
	}
	return fmt.Sprintf("%d callers", c.callers)
}

func isOurs(e *entry) bool { return strings.HasPrefix(e.name, "Crossfade") }
func isBare(e *entry) bool {
	return e.name == mapLookUp || e.name == bareGet || e.name == bareSelect
}

// Names that the goals are about.
const (
	mapLookUp  = "a hash and a map look-up"
	bareGet    = "bare GET"
	bareSelect = "bare SELECT by primary key"
	kratosName = "Ory Kratos, postgres"
	apiName    = "Crossfade, over its API, redis"
)

func isCached(e *entry) bool { return strings.HasPrefix(e.name, "Crossfade, cached") }

// goals holds the rates against what a check costs at the least, and against every peer.
func (r Run) goals(entries []*entry) {
	by := map[string]*entry{}
	for _, e := range entries {
		by[e.name] = e
	}
	over := func(ours, theirs string, c cell) float64 {
		return by[ours].results[c].rate.Over(by[theirs].results[c].rate).Median()
	}
	slower := 1 / over("Crossfade, cached, redis", mapLookUp, cell{Check, 1})
	measure.Goal(r.Out, slower <= 1.3, "a cached check takes at most 1.3 × of "+mapLookUp, fmt.Sprintf("× %.2f", slower))
	for _, on := range []struct{ store, bare string }{{"redis", bareGet}, {"postgres", bareSelect}} {
		for _, n := range []int{1, many} {
			ratio := over("Crossfade, from the store, "+on.store, on.bare, cell{Check, n})
			goal := fmt.Sprintf("a check from the store reaches 0.9 × of a %s, %s", on.bare, callers(cell{callers: n}))
			measure.Goal(r.Out, ratio >= 0.9, goal, fmt.Sprintf("× %.2f", ratio))
		}
	}
	if by[kratosName] != nil {
		for _, n := range []int{1, many} {
			ratio := over(apiName, kratosName, cell{Check, n})
			measure.Goal(r.Out, ratio >= 10, "a check over the network API is 10 × as fast as Kratos', "+callers(cell{callers: n}), fmt.Sprintf("× %.1f", ratio))
		}
	}
	for _, c := range cells {
		r.beaten(entries, c)
	}
}

// beaten holds each peer against Crossfade with its sessions in the same store.
func (r Run) beaten(entries []*entry, c cell) {
	for _, peer := range entries {
		theirs := peer.results[c]
		if isOurs(peer) || isBare(peer) || len(theirs.rate) == 0 {
			continue
		}
		for _, e := range entries {
			if isCached(e) && strings.Contains(peer.name, e.store) {
				ratio := e.results[c].rate.Over(theirs.rate).Median()
				measure.Goal(r.Out, ratio > 1, fmt.Sprintf("%s, %s: %s beats %s", c.task, callers(c), e.name, peer.name), fmt.Sprintf("× %.1f", ratio))
			}
		}
	}
}
