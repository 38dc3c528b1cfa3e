// Story plays a whole migration without hands: visitors browse, fill carts, log in and order while the
// rollout ramps, is killed, starts again and finishes, the edge dies and the bridge fails. It exits
// with 0 only if nobody noticed. "make story" calls it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"crossfade.dev/crossfade/examples/shop/stack"
)

func main() {
	visitors := flag.Int("visitors", 200, "how many people browse at the same time")
	pace := flag.Duration("pace", 2*time.Second, "how long a person thinks between two pages, on average")
	scale := flag.Float64("scale", 1, "stretch or shorten every phase")
	dir := flag.String("dir", "", "keep data and logs in this folder (default: a temporary one)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	well, err := story(ctx, *visitors, *pace, *scale, *dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "story:", err)
	}
	if err != nil || !well {
		os.Exit(1)
	}
}

func story(ctx context.Context, visitors int, pace time.Duration, scale float64, dir string) (bool, error) {
	root, err := os.Getwd()
	if err != nil {
		return false, err
	}
	s, err := stack.Start(ctx, stack.Options{
		Root: root, Python: cmp.Or(os.Getenv("CROSSFADE_PYTHON"), filepath.Join(root, ".build/venv/bin/python")),
		Dir: dir, Customers: visitors,
		Progress: func(line string) { fmt.Println("·", line) },
	})
	if err != nil {
		return false, err
	}
	well := false
	defer func() {
		if !well {
			s.Keep()
			fmt.Printf("data and logs of all processes: %s\n", s.Dir)
		}
		s.Close()
	}()

	t := newTally()
	live, end := context.WithCancel(ctx)
	defer end()
	var all sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: visitors}
	for i := range visitors {
		account := ""
		if i%2 == 0 {
			account = fmt.Sprintf("customer%d", i+1)
		}
		v := newVisitor(s.URL, account, uint64(i), transport, t)
		all.Go(func() {
			// People do not arrive in step.
			time.Sleep(time.Duration(v.rand.Int64N(int64(pace))))
			v.live(live, func() time.Duration { return pace/2 + time.Duration(v.rand.Int64N(int64(pace))) })
		})
	}
	director := &director{stack: s, tally: t, visitors: visitors, scale: scale, began: time.Now()}
	err = director.play(ctx)
	end()
	all.Wait()
	for _, dead := range s.Dead() {
		t.problem("errors", dead+" ended by itself")
	}
	well = t.report(visitors) && err == nil
	return well, err
}

// director plays the migration.
type director struct {
	stack    *stack.Stack
	tally    *tally
	visitors int
	scale    float64
	began    time.Time
}

// scene is one phase: what is done at its start, and how long it lasts.
type scene struct {
	name    string
	seconds float64
	do      func(context.Context) error
}

func (d *director) play(ctx context.Context) error {
	ramp := func(share string) func(context.Context) error {
		return d.command("rollout", "ramp", "sessions", "--to", share, "--reason", "story")
	}
	for _, s := range []scene{
		{"all on the monolith", 14, nil},
		{"start: .25 %", 8, d.command("rollout", "start", "sessions", "--reason", "story")},
		{"1 %", 8, ramp("1")},
		{"5 %", 8, ramp("5")},
		{"25 %", 12, ramp("25")},
		{"25 %, edge killed with -9", 10, d.killEdge},
		{"25 %, bridge cut", 8, func(context.Context) error { d.stack.Bridge.Cut(); return nil }},
		{"25 %, bridge back", 6, func(context.Context) error { d.stack.Bridge.Mend(); return nil }},
		{"kill switch", 12, d.command("kill", "sessions", "--reason", "story: rehearsal")},
		{"lifted, on again", 10, d.command("kill", "lift", "sessions", "--reason", "story: on again")},
		{"100 %", 16, ramp("100")},
		{"finished", 12, d.command("rollout", "finish", "sessions", "--reason", "story")},
	} {
		d.tally.next(s.name)
		if s.do != nil {
			if err := s.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		if err := d.watch(ctx, time.Duration(s.seconds*d.scale*float64(time.Second))); err != nil {
			return err
		}
	}
	return nil
}

func (d *director) command(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := d.stack.Command(ctx, args...)
		return err
	}
}

// killEdge kills Crossfade, with everything it has in memory, and starts it again on the same data.
func (d *director) killEdge(ctx context.Context) error {
	d.tally.edgeDown.Store(true)
	d.stack.Crossfade.Kill()
	err := d.stack.Crossfade.Restart(ctx)
	// Connections that broke in the middle are reported by their visitors a little later.
	time.AfterFunc(2*time.Second, func() { d.tally.edgeDown.Store(false) })
	return err
}

// watch shows progress while a phase lasts.
func (d *director) watch(ctx context.Context, last time.Duration) error {
	end := time.After(last)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Println(d.tally.line(time.Since(d.began), d.visitors))
		case <-end:
			fmt.Println(d.tally.line(time.Since(d.began), d.visitors))
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
