package main

import (
	"fmt"
	"io"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// The first goals.
const (
	goalResolve = 2 * time.Microsecond // from the cache, one caller, at the median
	goalCreate  = 20_000               // per second, durable, many callers
)

func report(w io.Writer, o options, cases []*kase, bytes measure.Series) {
	fmt.Fprintf(w, "session plane: embedded store, %s sessions; medians of %d rounds\n\n", measure.Number(float64(o.sessions)), o.rounds)
	t := measure.Table{Head: []string{"operation", "callers", "per second", "spread", "CPU µs", "p50 µs", "p99 µs", "allocs"}}
	var resolve, create measure.Series
	for _, k := range cases {
		t.Row(k.name, fmt.Sprint(k.callers), measure.Number(k.rate.Median()), measure.Percent(k.rate.Spread()),
			measure.Micros(k.cpu.Median()), measure.Micros(k.p50.Median()), measure.Micros(k.p99.Median()),
			fmt.Sprintf("%.1f", k.allocs.Median()))
		switch {
		case k.name == resolveCached && k.callers == 1:
			resolve = k.p50
		case k.name == creates && k.callers == many:
			create = k.rate
		}
	}
	t.Write(w)
	fmt.Fprintf(w, "\na guest's session with a cart takes %s bytes on disk (%s)\n\n", measure.Number(bytes.Median()), measure.Percent(bytes.Spread()))
	measure.Goal(w, resolve.Median() < float64(goalResolve), "resolve from the cache takes less than 2 µs", measure.Micros(resolve.Median())+" µs")
	measure.Goal(w, create.Median() >= goalCreate, "20,000 durable creates per second with 64 callers", measure.Number(create.Median())+" per second")
}
