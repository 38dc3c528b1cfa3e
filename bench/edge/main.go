// Command edge measures the edge with its session check against the same edge as a plain proxy and against
// a bare httputil.ReverseProxy, and what a million requests of guests leave behind.
//
// Load generator, upstream and the server under test are this program again, each in a process of its own
// on the loopback interface. The cases are measured one after the other and that round after round, so
// that a moment in which the machine is busy spoils a round and not a case. "make bench" runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // to count the rows that guests leave

	"crossfade.dev/crossfade/bench/measure"
)

// options are what a run may be told.
type options struct {
	rounds   int
	each     time.Duration // per case and round, with all connections; a quarter of it again with one
	visitors int
	guests   int
	dir      string // for databases: on the disk that is meant
	profiles string // where profiles go; empty: none are taken
}

func main() {
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], "role:") {
		fail(play(os.Args[1], os.Stdin, os.Stdout))
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 15, "how often each case is measured; many short rounds bear a busy machine better than few long ones")
	flag.DurationVar(&o.each, "each", 700*time.Millisecond, "how long a case is measured in each round")
	flag.IntVar(&o.visitors, "visitors", 1000, "how many different visitors send requests")
	flag.IntVar(&o.guests, "guests", 1_000_000, "how many page requests of guests; 0: leave that out")
	flag.StringVar(&o.dir, "dir", ".build", "folder for databases, on the disk that is to be measured")
	flag.StringVar(&o.profiles, "profiles", "", "folder for a CPU and an allocation profile of each case's server")
	flag.Parse()
	fail(o.run())
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o options) run() (err error) {
	if o.rounds < 1 || o.visitors < 1 {
		return errors.New("at least one round and one visitor are needed")
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "bench-edge-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Printf("machine: %s; load before: %s\n\n", measure.Machine(), measure.Busy())
	if err := o.proxies(dir); err != nil {
		return err
	}
	if o.guests == 0 {
		return nil
	}
	return o.memory(dir)
}
