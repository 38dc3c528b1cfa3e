package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// sessions is a contestant written in Go. The i-th session is used by one caller at a time.
type sessions interface {
	version() string
	check(i int) error
	create() error
	login(i int) error
	// own opens live sessions of a subject and dead ones, which have ended or expired.
	own(subject string, live, dead int) error
	// endAll and list answer how many sessions they met.
	endAll(subject string) (int, error)
	list(subject string) (int, error)
	close() error
}

// contestants by the name of their role.
var contestants = map[string]func(Opening) (sessions, error){
	"crossfade":        func(o Opening) (sessions, error) { return openCrossfade(o, true) },
	"crossfade-stored": func(o Opening) (sessions, error) { return openCrossfade(o, false) },
	"crossfade-api":    openAPI,
	"scs":              openSCS,
	"bare":             openBare,
	"kratos":           openKratos,
}

// RolePrefix begins the argument that has the test binary play a contestant.
const RolePrefix = "contestant:"

// Play is a contestant's process: it obeys orders until there are no more.
func Play(role string, in io.Reader, out io.Writer) (err error) {
	open := contestants[strings.TrimPrefix(role, RolePrefix)]
	if open == nil {
		return fmt.Errorf("no contestant is called %q", role)
	}
	c := &contest{}
	defer func() {
		if c.s != nil {
			err = errors.Join(err, c.s.close())
		}
	}()
	orders, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o Order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r, err := c.obey(o, open)
		if err != nil {
			r.Error = err.Error()
		}
		if err := results.Encode(r); err != nil {
			return err
		}
	}
}

type contest struct {
	s     sessions
	o     Opening
	fresh int // subjects made
}

func (c *contest) obey(o Order, open func(Opening) (sessions, error)) (r Result, err error) {
	if o.Open != nil {
		c.o = *o.Open
		if c.s, err = open(c.o); err != nil {
			return r, err
		}
		return Result{Version: c.s.version()}, c.s.own(listed, aliveOfListed, c.o.Dead)
	}
	switch o.Task {
	case Check:
		return c.crowd(o, c.s.check)
	case Create:
		return c.crowd(o, func(int) error { return c.s.create() })
	case Login:
		return c.crowd(o, c.s.login)
	case EndAll:
		return c.times(o.Times, c.endOne)
	case List:
		return c.times(o.Times, func() (time.Duration, error) {
			return met(aliveOfListed, func() (int, error) { return c.s.list(listed) })
		})
	}
	return r, fmt.Errorf("no task is called %q", o.Task)
}

const listed = "listed"

// endOne opens the sessions, which is not measured, and ends them, which is.
func (c *contest) endOne() (time.Duration, error) {
	c.fresh++
	subject := fmt.Sprintf("ended-%d", c.fresh)
	if err := c.s.own(subject, c.o.Owned, 0); err != nil {
		return 0, err
	}
	return met(c.o.Owned, func() (int, error) { return c.s.endAll(subject) })
}

// met times an operation and holds what it met against what is there.
func met(want int, op func() (int, error)) (time.Duration, error) {
	start := time.Now()
	n, err := op()
	took := time.Since(start)
	if err == nil && n != want {
		err = fmt.Errorf("met %d sessions, there are %d", n, want)
	}
	return took, err
}

func (c *contest) times(n int, op func() (time.Duration, error)) (Result, error) {
	var h measure.Histogram
	var took, cpu time.Duration
	for range n {
		before := processorTime()
		d, err := op()
		if err != nil {
			return Result{}, err
		}
		h.Record(d)
		took += d
		cpu += processorTime() - before
	}
	return Result{Count: h.Count(), Took: took, P50: h.Quantile(0.5), P99: h.Quantile(0.99), CPU: cpu}, nil
}

// crowd has callers do something for a while, each on sessions of its own.
func (c *contest) crowd(o Order, op func(i int) error) (Result, error) {
	histograms := make([]measure.Histogram, o.Callers)
	errs := make([]error, o.Callers)
	var over atomic.Bool
	var wait sync.WaitGroup
	before, start := processorTime(), time.Now()
	for w := range o.Callers {
		wait.Go(func() {
			last := time.Now()
			for i := w; !over.Load(); i += o.Callers {
				if i >= c.o.Sessions {
					i = w
				}
				if errs[w] = op(i); errs[w] != nil {
					over.Store(true)
					return
				}
				now := time.Now()
				histograms[w].Record(now.Sub(last))
				last = now
			}
		})
	}
	time.AfterFunc(time.Duration(o.Seconds*float64(time.Second)), func() { over.Store(true) })
	wait.Wait()
	took, cpu := time.Since(start), processorTime()-before
	var all measure.Histogram
	for i := range histograms {
		all.Add(&histograms[i])
	}
	return Result{Count: all.Count(), Took: took, P50: all.Quantile(0.5), P99: all.Quantile(0.99), CPU: cpu}, errors.Join(errs...)
}

// processorTime is this process's, in user and kernel.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// parallel does something n times, many at once.
func parallel(n int, do func(i int) error) error {
	const at = 64
	errs := make([]error, at)
	var wait sync.WaitGroup
	for w := range at {
		wait.Go(func() {
			for i := w; i < n && errs[w] == nil; i += at {
				errs[w] = do(i)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// cart is what a shop keeps of a guest.
const cart = `{"store":"riverside","items":[{"sku":"12-331","n":2},{"sku":"31-008","n":1}],"note":""}`

func customer(i int) string { return fmt.Sprintf("customer-%d", i) }
