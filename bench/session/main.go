// Command session measures the session plane on its embedded store: what a token is worth, from the cache
// and from the store, creating and patching sessions durably, with one caller and with many, and how much
// disk a session takes.
//
// The cases run one after the other and that round after round; what is printed are medians. A create and a
// patch are on disk when they are answered, so both depend on how long the disk takes to sync: that is
// measured first and printed with the rest. "make bench" runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// options are what a run may be told.
type options struct {
	rounds   int
	each     time.Duration // per case and round
	sessions int           // that exist while others are resolved and patched
	dir      string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 9, "how often each case is measured")
	flag.DurationVar(&o.each, "each", 450*time.Millisecond, "how long a case is measured in each round")
	flag.IntVar(&o.sessions, "sessions", 20_000, "how many sessions are resolved and patched")
	flag.StringVar(&o.dir, "dir", ".build", "folder for databases, on the disk that is to be measured")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run() (err error) {
	if o.rounds < 1 || o.sessions < 1 {
		return errors.New("at least one round and one session are needed")
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "bench-session-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sync, err := measure.SyncTime(dir)
	if err != nil {
		return err
	}
	fmt.Printf("machine: %s; load before: %s; the disk syncs 4 KiB in %s µs\n\n",
		measure.Machine(), measure.Busy(), measure.Micros(float64(sync)))
	p, err := openPlane(dir, o.sessions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	cases := p.cases()
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		for _, c := range cases {
			if err := c.measure(o.each); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	report(os.Stdout, o, cases, p.bytes)
	return nil
}
