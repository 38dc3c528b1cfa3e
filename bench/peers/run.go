package peers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"crossfade.dev/crossfade/bench/measure"
)

// Run is a whole measurement.
type Run struct {
	Program string // that plays the contestants in Go: "program contestant:name"
	Root    string // of the checkout, where the other contestants stand; empty: leave them out

	Rounds   int
	Seconds  float64 // of a task, in each round
	Times    int     // that a subject is ended or listed, in each round
	Sessions int
	Owned    int
	Dead     int

	// Place gives a contestant servers, or databases, of its own.
	Place    func() (Opening, error)
	Out      io.Writer // the tables
	Progress io.Writer // nil: none
}

// entry is a contestant with what it was measured at.
type entry struct {
	name, store string
	command     []string
	dir         string
	version     string
	results     map[cell]*figures
	process     *process
}

type cell struct {
	task    string
	callers int
}

type figures struct {
	rate, p50, p99, cpu measure.Series // per second; nanoseconds; nanoseconds per operation
	not                 string         // why it was not measured
}

// many is the number of callers at a time besides one.
const many = 64

var cells = []cell{{Check, 1}, {Check, many}, {Create, 1}, {Create, many}, {Login, 1}, {Login, many}, {EndAll, 1}, {List, 1}}

// All measures every contestant in each round, there and back, and prints the tables: so that a machine that gets
// slower favours nobody, and what is compared was measured at the same time. Who is not measured waits.
func (r Run) All() (err error) {
	entries, skipped := r.entries()
	defer func() {
		for _, e := range entries {
			if e.process != nil {
				err = errors.Join(err, e.process.stop())
			}
		}
	}()
	for _, e := range entries {
		if err := r.open(e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	for round := range r.Rounds {
		for at := range entries {
			e := entries[at]
			if round%2 == 1 {
				e = entries[len(entries)-1-at]
			}
			r.say("round %d of %d: %s", round+1, r.Rounds, e.name)
			if err := r.round(e); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
	}
	r.report(entries, skipped)
	return nil
}

func (r Run) entries() (out []*entry, skipped []string) {
	own := func(name, role, store string) {
		out = append(out, &entry{name: name, store: store, command: []string{r.Program, RolePrefix + role}})
	}
	own(mapLookUp, "bare", "memory")
	for _, store := range []string{"sqlite", "postgres", "redis"} {
		own("Crossfade, cached, "+store, "crossfade", store)
	}
	for _, store := range []string{"postgres", "redis"} {
		own("Crossfade, from the store, "+store, "crossfade-stored", store)
	}
	own(apiName, "crossfade-api", "redis")
	own(bareSelect, "bare", "postgres")
	own(bareGet, "bare", "redis")
	own("alexedwards/scs, postgres", "scs", "postgres")
	own("alexedwards/scs, redis", "scs", "redis")
	if r.Root == "" {
		return out, nil
	}
	installed, skipped := r.installed()
	return append(out, installed...), skipped
}

// installed are the contestants in other languages, and why one is not here.
func (r Run) installed() (out []*entry, skipped []string) {
	here := filepath.Join(r.Root, "bench", "peers")
	node, err := exec.LookPath("node")
	modules := filepath.Join(r.Root, ".build", "bench-express", "node_modules")
	switch _, missing := os.Stat(modules); {
	case err != nil:
		skipped = append(skipped, "express-session: node is not installed")
	case missing != nil:
		skipped = append(skipped, "express-session: its packages are not installed (make bench-session does it where npm is)")
	default:
		out = append(out, &entry{name: "express-session, connect-redis", store: "redis", command: []string{node, "contestant.mjs"}, dir: filepath.Dir(modules)})
	}
	python := filepath.Join(r.Root, ".build", "bench-django", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		skipped = append(skipped, "Django: its environment is not there ("+python+"); make bench-session makes it")
	} else {
		for _, d := range []struct{ store, name string }{{"db", "Django db, postgres"}, {"cached_db", "Django cached_db, postgres and redis"}} {
			out = append(out, &entry{name: d.name, store: d.store, command: []string{python, filepath.Join(here, "django", "contestant.py")}})
		}
	}
	if os.Getenv("KRATOS") == "" {
		skipped = append(skipped, "Ory Kratos: KRATOS does not name its program")
	} else {
		out = append(out, &entry{name: kratosName, store: "postgres", command: []string{r.Program, RolePrefix + "kratos"}})
	}
	return out, skipped
}

// open starts a contestant and has it make its sessions.
func (r Run) open(e *entry) error {
	r.say("preparing: %s", e.name)
	e.results = map[cell]*figures{}
	for _, c := range cells {
		e.results[c] = &figures{}
	}
	o, err := r.Place()
	if err != nil {
		return err
	}
	o.Store, o.Sessions, o.Owned, o.Dead = e.store, r.Sessions, r.Owned, r.Dead
	if e.process, err = start(e); err != nil {
		return err
	}
	opened, err := e.process.ask(Order{Open: &o})
	e.version = opened.Version
	return err
}

func (r Run) round(e *entry) error {
	for _, c := range cells {
		if err := r.measure(e.process, e.results[c], c); err != nil {
			return fmt.Errorf("%s: %w", c.task, err)
		}
	}
	return nil
}

func (r Run) measure(p *process, f *figures, c cell) error {
	if f.not != "" {
		return nil
	}
	got, err := p.ask(Order{Task: c.task, Callers: c.callers, Seconds: r.Seconds, Times: r.Times})
	if err != nil && strings.Contains(err.Error(), errNotDone.Error()) {
		f.not = "–"
		return nil
	}
	if err != nil {
		return err
	}
	if got.Count == 0 {
		return errors.New("nothing was done in the time")
	}
	n := float64(got.Count)
	f.rate = append(f.rate, n/got.Took.Seconds())
	f.p50, f.p99 = append(f.p50, float64(got.P50)), append(f.p99, float64(got.P99))
	f.cpu = append(f.cpu, float64(got.CPU)/n)
	return nil
}

func (r Run) say(format string, args ...any) {
	if r.Progress != nil {
		fmt.Fprintf(r.Progress, format+"\n", args...)
	}
}

// process is a contestant at work.
type process struct {
	cmd     *exec.Cmd
	orders  *json.Encoder
	close   io.Closer
	answers *bufio.Reader
}

func start(e *entry) (*process, error) {
	cmd := exec.Command(e.command[0], e.command[1:]...)
	cmd.Dir, cmd.Stderr = e.dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, orders: json.NewEncoder(in), close: in, answers: bufio.NewReader(out)}, nil
}

func (p *process) ask(o Order) (r Result, err error) {
	if err := p.orders.Encode(o); err != nil {
		return r, err
	}
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("the contestant is gone: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("the contestant answered %q: %w", line, err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (p *process) stop() error {
	if err := p.close.Close(); err != nil {
		return err
	}
	kill := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	return p.cmd.Wait()
}
