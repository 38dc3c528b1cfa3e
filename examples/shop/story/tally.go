package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// kinds are what can go wrong, in the order of the last line.
var kinds = []string{"logged-out", "carts-lost", "double-cookies", "wrong-user", "errors"}

// tally counts what the visitors see. It is shared by all of them.
type tally struct {
	edgeDown atomic.Bool  // the story has killed the edge
	retries  atomic.Int64 // requests that met the killed edge
	receipts atomic.Int64

	mu       sync.Mutex
	counts   map[string]int
	examples map[string][]string
	systems  map[*visitor]string
	moved    map[*visitor]bool
	phase    phase
	phases   []phase
}

// phase is one row of the table.
type phase struct {
	name      string
	began     time.Time
	took      time.Duration
	latencies []time.Duration
	onNew     int
	problems  int
}

func newTally() *tally {
	return &tally{counts: map[string]int{}, examples: map[string][]string{}, systems: map[*visitor]string{},
		moved: map[*visitor]bool{}, phase: phase{name: "warm-up", began: time.Now()}}
}

func (t *tally) request(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.latencies = append(t.phase.latencies, took)
}

func (t *tally) saw(v *visitor, system string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.systems[v] = system
	if system == "new" {
		t.moved[v] = true
	}
}

// problem counts one, and keeps the first few for the report.
func (t *tally) problem(kind, example string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[kind]++
	t.phase.problems++
	if len(t.examples[kind]) < 5 {
		t.examples[kind] = append(t.examples[kind], t.phase.name+": "+example)
	}
}

// next closes the current phase and opens another.
func (t *tally) next(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.took, t.phase.onNew = time.Since(t.phase.began), t.onNew()
	t.phases = append(t.phases, t.phase)
	t.phase = phase{name: name, began: time.Now()}
}

func (t *tally) onNew() (n int) {
	for _, s := range t.systems {
		if s == "new" {
			n++
		}
	}
	return n
}

// line is the progress of this moment.
func (t *tally) line(elapsed time.Duration, visitors int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	problems := 0
	for _, n := range t.counts {
		problems += n
	}
	return fmt.Sprintf("%4.0fs  %-34s  on new %3d of %d  requests %4d  problems %d",
		elapsed.Seconds(), t.phase.name, t.onNew(), visitors, len(t.phase.latencies), problems)
}

// report prints the table, examples of what went wrong, and the last line. It says whether all is well.
func (t *tally) report(visitors int) bool {
	t.next("")
	fmt.Printf("\n%-36s %7s %9s %8s %9s %9s %9s\n", "phase", "seconds", "requests", "on new", "p50", "p99", "problems")
	for _, p := range t.phases {
		slices.Sort(p.latencies)
		fmt.Printf("%-36s %7.1f %9d %8d %9s %9s %9d\n", p.name, p.took.Seconds(), len(p.latencies), p.onNew,
			quantile(p.latencies, .5), quantile(p.latencies, .99), p.problems)
	}
	fmt.Printf("\norders placed and their receipts read: %d; requests that met the killed edge and were tried again: %d\n",
		t.receipts.Load(), t.retries.Load())
	well := len(t.moved) == visitors // a migration in which nobody moved has lost nobody either
	last := fmt.Sprintf("visitors %d moved %d", visitors, len(t.moved))
	for _, kind := range kinds {
		last += fmt.Sprintf(" %s %d", kind, t.counts[kind])
		well = well && t.counts[kind] == 0
		for _, e := range t.examples[kind] {
			fmt.Printf("  %s: %s\n", kind, e)
		}
	}
	fmt.Println(last)
	return well
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(100 * time.Microsecond)
}
