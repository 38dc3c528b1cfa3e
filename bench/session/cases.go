package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"crossfade.dev/crossfade/bench/measure"
	"crossfade.dev/crossfade/session"
)

// many is the number of callers at a time besides one.
const many = 64

// The names of what is measured.
const (
	resolveCached = "resolve, from the cache"
	resolveStored = "resolve, from the store"
	guestCached   = "resolve a guest, from the cache"
	guestStored   = "resolve a guest, from the store"
	creates       = "create"
	patches       = "patch"
)

// kase is one operation with a number of callers.
type kase struct {
	name    string
	callers int
	// open prepares a round: the operation, which is told its number, and what to do when so many are done.
	open func() (op func(int) error, done func(made int) error, err error)

	rate, p50, p99 measure.Series // per second; nanoseconds, the clock's own 0.1 µs among them
	cpu            measure.Series // nanoseconds of the process per operation
	allocs         measure.Series
}

func (p *plane) cases() (out []*kase) {
	ctx := context.Background()
	resolve := func(m *session.Manager, tokens []string) func(int) error {
		return func(i int) error {
			if r := m.Resolve(ctx, tokens[i%len(tokens)]); r.Worth != session.WorthLive {
				return fmt.Errorf("a live session is %v", r.Worth)
			}
			return nil
		}
	}
	// No value comes twice, also not in a later round: a patch that changes nothing writes nothing.
	var changes atomic.Int64
	patch := func(i int) error {
		set := map[string]json.RawMessage{"cart": fmt.Appendf(nil, `{"store":"riverside","items":[{"sku":"12-331","n":%d}]}`, changes.Add(1))}
		_, err := p.caching.Patch(ctx, session.Patch{ID: p.ids[i%len(p.ids)], Set: set})
		return err
	}
	for _, n := range []int{1, many} {
		for _, c := range []struct {
			name string
			op   func(int) error
		}{
			{resolveCached, resolve(p.caching, p.tokens)},
			{resolveStored, resolve(p.reading, p.tokens)},
			{guestCached, resolve(p.caching, p.guests)},
			{guestStored, resolve(p.reading, p.guests)},
			{patches, patch},
		} {
			out = append(out, &kase{name: c.name, callers: n, open: standing(c.op)})
		}
		out = append(out, &kase{name: creates, callers: n, open: p.creating})
	}
	return out
}

// standing is a case that needs no preparation.
func standing(op func(int) error) func() (func(int) error, func(int) error, error) {
	return func() (func(int) error, func(int) error, error) {
		return op, func(int) error { return nil }, nil
	}
}

// measure adds one round.
func (k *kase) measure(each time.Duration) error {
	op, done, err := k.open()
	if err != nil {
		return err
	}
	run := round{op: op}
	run.callers(k.callers, each)
	if err := done(int(run.made.Load())); err != nil {
		return err
	}
	if failed := run.failed.Load(); failed != nil {
		return *failed
	}
	made := float64(max(run.made.Load(), 1))
	k.rate = append(k.rate, made/run.elapsed.Seconds())
	k.cpu = append(k.cpu, float64(run.cpu)/made)
	k.allocs = append(k.allocs, float64(run.allocs)/made)
	k.p50 = append(k.p50, float64(run.took.Quantile(0.5)))
	k.p99 = append(k.p99, float64(run.took.Quantile(0.99)))
	return nil
}

// round is a case under way.
type round struct {
	op      func(int) error
	made    atomic.Int64
	failed  atomic.Pointer[error]
	elapsed time.Duration
	cpu     time.Duration
	allocs  uint64
	mu      sync.Mutex
	took    measure.Histogram
}

func (r *round) callers(n int, each time.Duration) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, used := time.Now(), measure.CPU()
	var wait sync.WaitGroup
	for i := range n {
		// Callers begin far from each other, so that two rarely want the same session.
		wait.Go(func() { r.call(i*7919, start.Add(each)) })
	}
	wait.Wait()
	r.elapsed, r.cpu = time.Since(start), measure.CPU()-used
	runtime.ReadMemStats(&after)
	r.allocs = after.Mallocs - before.Mallocs
}

// note keeps the first error of a round.
func (r *round) note(err error) {
	if err != nil {
		failed := err // a copy, or every success would cost an allocation
		r.failed.CompareAndSwap(nil, &failed)
	}
}

// clocked is how many operations share one look at the clock at most: beside an operation of a microsecond
// the clock itself would be seen.
const clocked = 16

// call repeats the operation until the time is over. Every sixteenth is timed on its own.
func (r *round) call(at int, until time.Time) {
	var took measure.Histogram
	made := 0
	for ; r.failed.Load() == nil; made++ {
		if made%clocked != 0 && made > clocked {
			r.note(r.op(at + made))
			continue
		}
		start := time.Now()
		if start.After(until) {
			break
		}
		r.note(r.op(at + made))
		took.Record(time.Since(start))
	}
	r.made.Add(int64(made))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took.Add(&took)
}
