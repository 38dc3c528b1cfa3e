package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// The cases, in the order in which they are measured.
const (
	caseBare   = "bare ReverseProxy"
	casePlain  = "edge, as a plain proxy"
	caseEdge   = "edge, customer on new"
	caseLegacy = "edge, visitor on legacy"
	caseFirst  = "edge, first visit"
)

const (
	connections = 64
	warm        = 150 * time.Millisecond
)

// figures are one case's, round by round.
type figures struct {
	name           string
	rate           measure.Series // requests per second
	p50, p99       measure.Series // with all connections, in nanoseconds
	alone50        measure.Series // with one connection
	alone99        measure.Series
	cpu            measure.Series // of the server's process, in nanoseconds per request
	allocs, memory measure.Series // per request
}

// proxies measures all cases and prints the table.
func (o options) proxies(dir string) (err error) {
	var bench crew
	defer func() { err = errors.Join(err, bench.dismiss()) }()
	if err := bench.hire(o, dir); err != nil {
		return err
	}
	all := make([]*figures, len(bench.cases))
	for i, c := range bench.cases {
		all[i] = &figures{name: c.Name}
	}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
		for at := range bench.cases {
			i := at
			if round%2 == 1 { // there and back, so that a machine that gets slower favours nobody
				i = len(bench.cases) - 1 - at
			}
			if err := bench.measure(o, bench.cases[i], all[i], i); err != nil {
				return fmt.Errorf("%s: %w", bench.cases[i].Name, err)
			}
		}
	}
	report(os.Stdout, o, all)
	return nil
}

// crew are the processes of one run.
type crew struct {
	upstream, server, load *child
	cases                  []served
}

func (b *crew) hire(o options, dir string) (err error) {
	if b.upstream, err = start(roleUpstream); err != nil {
		return err
	}
	if b.server, err = start(roleServer); err != nil {
		return err
	}
	if b.load, err = start(roleLoad); err != nil {
		return err
	}
	address, err := question[string](b.upstream, struct{}{})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "preparing %d visitors on each system\n", o.visitors)
	opened, err := question[serverSays](b.server, serverAsk{Do: "open", Upstream: address, Dir: dir, Visitors: o.visitors})
	b.cases = opened.Cases
	return err
}

// dismiss ends the processes, the load first: nobody is cut off in the middle of a request.
func (b *crew) dismiss() error {
	var errs []error
	for _, c := range []*child{b.load, b.server, b.upstream} {
		if c != nil {
			errs = append(errs, c.stop())
		}
	}
	return errors.Join(errs...)
}

// measure adds one round of one case.
func (b *crew) measure(o options, c served, f *figures, number int) error {
	if o.profiles != "" {
		file := filepath.Join(o.profiles, fmt.Sprintf("case-%d.pprof", number))
		if _, err := question[serverSays](b.server, serverAsk{Do: "profile", File: file}); err != nil {
			return err
		}
	}
	before, err := question[serverSays](b.server, serverAsk{Do: "usage"})
	if err != nil {
		return err
	}
	job := loadJob{Address: c.Address, File: c.File, Connections: connections, Warm: warm, Measured: o.each}
	crowd, err := question[loadResult](b.load, job)
	if err != nil {
		return err
	}
	after, err := question[serverSays](b.server, serverAsk{Do: "usage"})
	if err != nil {
		return err
	}
	if o.profiles != "" {
		if _, err := question[serverSays](b.server, serverAsk{Do: "profile"}); err != nil {
			return err
		}
	}
	job.Connections, job.Warm, job.Measured = 1, warm/4, o.each/4
	alone, err := question[loadResult](b.load, job)
	if err != nil {
		return err
	}
	f.add(crowd, alone, before.Usage, after.Usage)
	return nil
}

func (f *figures) add(crowd, alone loadResult, before, after usage) {
	per := func(v float64) float64 { return v / float64(max(crowd.Requests, 1)) }
	f.rate = append(f.rate, float64(crowd.Counted)/crowd.Took.Seconds())
	f.p50 = append(f.p50, float64(crowd.P50))
	f.p99 = append(f.p99, float64(crowd.P99))
	f.alone50 = append(f.alone50, float64(alone.P50))
	f.alone99 = append(f.alone99, float64(alone.P99))
	f.cpu = append(f.cpu, per(float64(after.CPU-before.CPU)))
	f.allocs = append(f.allocs, per(float64(after.Allocs-before.Allocs)))
	f.memory = append(f.memory, per(float64(after.Memory-before.Memory)))
}
