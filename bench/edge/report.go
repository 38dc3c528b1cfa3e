package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"crossfade.dev/crossfade/bench/measure"
)

// The first goals.
const (
	goalCheck = 0.90 // of the plain proxy's throughput
	// goalGrowth is how much the heap may differ between the second quarter of the guests, when all caches
	// are full, and the last: noise of what happens to be in them.
	goalGrowth = 0.05
)

func report(w io.Writer, o options, all []*figures) {
	var bare, plain, edge *figures
	for _, f := range all {
		switch f.name {
		case caseBare:
			bare = f
		case casePlain:
			plain = f
		case caseEdge:
			edge = f
		}
	}
	fmt.Fprintf(w, "edge: %d connections in a closed loop, then one alone; %d visitors, pages; medians of %d rounds\n\n",
		connections, o.visitors, o.rounds)
	t := measure.Table{Head: []string{"case", "requests/s", "spread", "× plain", "× bare", "p50 ms", "p99 ms",
		"alone p50 µs", "alone p99 µs", "CPU µs", "allocs", "bytes"}}
	for _, f := range all {
		t.Row(f.name, measure.Number(f.rate.Median()), measure.Percent(f.rate.Spread()),
			ratio(f.rate.Over(plain.rate)), ratio(f.rate.Over(bare.rate)),
			millis(f.p50), millis(f.p99), measure.Micros(f.alone50.Median()), measure.Micros(f.alone99.Median()),
			measure.Micros(f.cpu.Median()), fmt.Sprintf("%.1f", f.allocs.Median()), measure.Number(f.memory.Median()))
	}
	t.Write(w)
	reached := edge.rate.Over(plain.rate)
	fmt.Fprintln(w)
	measure.Goal(w, reached.Median() >= goalCheck, "the session check costs at most 10 % of the plain proxy's throughput",
		fmt.Sprintf("%.1f %% (%s)", 100*(1-reached.Median()), measure.Percent(reached.Spread())))
	cpu := edge.cpu.Over(plain.cpu)
	fmt.Fprintf(w, "the server's own work per request: × %.2f of the plain proxy's (%s)\n\n", cpu.Median(), measure.Percent(cpu.Spread()))
}

func ratio(s measure.Series) string { return fmt.Sprintf("%.2f", s.Median()) }

func millis(s measure.Series) string { return fmt.Sprintf("%.2f", s.Median()/1e6) }

// memory sends the guests and prints what they left.
func (o options) memory(dir string) (err error) {
	dir = filepath.Join(dir, "guests")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "sending %d pages to guests\n", o.guests)
	c, err := start(roleGuests)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	found, err := question[guestsSay](c, guestsJob{Requests: o.guests, Dir: dir})
	if err != nil {
		return err
	}
	found.report(os.Stdout)
	return nil
}

func (g guestsSay) report(w io.Writer) {
	fmt.Fprintln(w, "memory: pages of guests, two each, through an edge in one process")
	fmt.Fprintln(w)
	t := measure.Table{Head: []string{"after requests", "heap in use", "resident"}}
	for i := range g.Heap {
		t.Row(measure.Number(float64(g.Sent[i])), measure.Mebibytes(float64(g.Heap[i])), measure.Mebibytes(float64(g.Resident[i])))
	}
	t.Write(w)
	growth := float64(g.Heap[quarters])/float64(g.Heap[2]) - 1
	fmt.Fprintln(w)
	measure.Goal(w, growth <= goalGrowth, "memory does not grow once the caches are full",
		fmt.Sprintf("%+.1f %% from half of the requests to all", 100*growth))
	measure.Goal(w, g.Rows == 0, "guests leave nothing in the store", fmt.Sprintf("%d rows", g.Rows))
}
