// Package stack runs the whole example shop as real processes: the Django monolith under gunicorn or
// uvicorn, the Go storefront, and Crossfade in front of both.
//
// Invariant: everything it starts listens on loopback, keeps its data in one folder, and is gone when
// Close returns. The demo, the story and the end-to-end tests start the same stack.
package stack

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
	"time"
)

//go:embed crossfade.yaml.tmpl
var configText string

// Options say how the stack is run. The zero value takes free ports and a temporary folder.
type Options struct {
	Root         string // the checkout
	Python       string // interpreter with Django, its servers and the crossfade package
	Dir          string // data and logs; empty: a temporary folder, removed by Close
	PublicPort   int    // 0: a free one
	Customers    int    // how many customers are seeded; default 20
	ControlSlice string // default "0"
	Certificate  string // with Key: the edge speaks TLS
	Key          string
	Workers      int               // of the monolith's server; default 2
	ASGI         bool              // serve the monolith by uvicorn instead of gunicorn
	Progress     func(string)      // one line per step; nil: silent
	Env          map[string]string // added to every process
	Routes       []string          // of the edge, put before the shop's own
}

// Stack is a running shop.
type Stack struct {
	URL         string // where browsers go
	InternalURL string // session and control API
	Dir         string
	CLI         string // the crossfade binary
	Bridge      *Relay // the only way from Crossfade to the monolith's bridge; can be cut

	Monolith, Storefront, Crossfade *Process

	temporary bool
}

// Start seeds, configures and starts everything, and returns when the shop answers.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	s := &Stack{Dir: o.Dir, CLI: filepath.Join(o.Root, ".build", "crossfade")}
	if s.Dir == "" {
		s.temporary = true
		if s.Dir, err = os.MkdirTemp("", "crossfade-shop-"); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.build(ctx, o); err != nil {
		return nil, err
	}
	if err := s.secrets(); err != nil {
		return nil, err
	}
	return s, s.start(ctx, o)
}

func (o *Options) defaults() error {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	o.Customers, o.Workers = max(o.Customers, 20), max(o.Workers, 2)
	if o.ControlSlice == "" {
		o.ControlSlice = "0"
	}
	if _, err := os.Stat(o.Python); err != nil {
		return fmt.Errorf("no Python at %q: run \"make setup\"", o.Python)
	}
	return nil
}

func (s *Stack) build(ctx context.Context, o Options) error {
	o.Progress("building crossfade and the storefront")
	for out, pkg := range map[string]string{"crossfade": "./cmd/crossfade", "storefront": "./examples/shop/storefront"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(o.Root, ".build", out), pkg)
		cmd.Dir, cmd.Env = o.Root, append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

func (s *Stack) path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// secrets makes what is missing, so that a folder can be used again.
func (s *Stack) secrets() error {
	if err := os.MkdirAll(s.path("secrets"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"key-1", "admin.token", "monolith.secret", "storefront.secret", "bridge-1"} {
		path := s.path("secrets", name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		var b [32]byte
		if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(hex.EncodeToString(b[:])+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start brings the processes up, those first that others need: the monolith and the storefront answer
// before the edge does, so that no visitor meets a gap.
func (s *Stack) start(ctx context.Context, o Options) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	public, internal, monolith, storefront := ports[0], ports[1], ports[2], ports[3]
	if o.PublicPort != 0 {
		public = o.PublicPort
	}
	scheme := "http"
	if o.Certificate != "" {
		scheme = "https"
	}
	s.URL = fmt.Sprintf("%s://localhost:%d", scheme, public)
	s.InternalURL = "http://" + local(internal)
	if s.Bridge, err = NewRelay(local(monolith)); err != nil {
		return err
	}
	if err := s.writeConfig(o, map[string]any{
		"PublicListen": local(public), "PublicURL": s.URL, "InternalListen": local(internal),
		"Certificate": o.Certificate, "Key": o.Key,
		"MonolithURL": "http://" + local(monolith), "StorefrontURL": "http://" + local(storefront),
		"BridgeURL":    "http://" + s.Bridge.Addr() + "/_crossfade/bridge/v1",
		"ControlSlice": o.ControlSlice, "LogLevel": "info", "Routes": o.Routes,
	}); err != nil {
		return err
	}
	env := s.environment(o)
	if err := s.seed(ctx, o, env); err != nil {
		return err
	}

	o.Progress("starting the Django monolith")
	s.Monolith, err = run(ctx, command{
		name: "monolith", dir: filepath.Join(o.Root, "examples/shop/monolith"), log: s.path("monolith.log"), env: env,
		path: o.Python, args: server(o, monolith),
		ready: "http://" + local(monolith) + "/healthz",
	})
	if err != nil {
		return err
	}
	o.Progress("starting Crossfade")
	s.Crossfade, err = run(ctx, command{
		name: "crossfade", dir: s.Dir, log: s.path("crossfade.log"), env: env,
		path: s.CLI, args: []string{"serve", "--config", s.path("crossfade.yaml")},
		ready: s.InternalURL + "/readyz",
	})
	if err != nil {
		return err
	}
	o.Progress("starting the storefront")
	s.Storefront, err = run(ctx, command{
		name: "storefront", dir: o.Root, log: s.path("storefront.log"),
		env:  append(env, "SHOP_LISTEN="+local(storefront), "CROSSFADE_SECRET_FILE="+s.path("secrets", "storefront.secret")),
		path: filepath.Join(o.Root, ".build", "storefront"), ready: "http://" + local(storefront) + "/healthz",
	})
	return err
}

// server is how the monolith is served, as arguments of Python.
func server(o Options, port int) []string {
	workers := strconv.Itoa(o.Workers)
	if o.ASGI {
		return []string{"-m", "uvicorn", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--workers", workers,
			"--lifespan", "off", "--timeout-keep-alive", "30", "--log-level", "warning", "shop.asgi:application"}
	}
	return []string{"-m", "gunicorn", "--worker-class", "gthread", "--threads", "4",
		"--workers", workers, "--keep-alive", "30", "--bind", local(port),
		// From a local peer gunicorn would take SCRIPT_NAME, and with it the path, out of a visitor's header.
		"--forwarder-headers", "", "shop.wsgi"}
}

func (s *Stack) environment(o Options) []string {
	env := []string{
		"SHOP_DB=" + s.path("shop.sqlite3"), "SHOP_PUBLIC_URL=" + s.URL,
		"CROSSFADE_API=" + s.InternalURL,
		"CROSSFADE_SECRET_FILE=" + s.path("secrets", "monolith.secret"),
		"CROSSFADE_BRIDGE_SECRET_FILE=" + s.path("secrets", "bridge-1"),
		"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1",
	}
	for k, v := range o.Env {
		env = append(env, k+"="+v)
	}
	return env
}

func (s *Stack) writeConfig(_ Options, values map[string]any) error {
	t, err := template.New("crossfade.yaml").Parse(configText)
	if err != nil {
		return err
	}
	f, err := os.Create(s.path("crossfade.yaml"))
	if err != nil {
		return err
	}
	return errors.Join(t.Execute(f, values), f.Close())
}

func (s *Stack) seed(ctx context.Context, o Options, env []string) error {
	o.Progress(fmt.Sprintf("seeding the shop with stores, menus and %d customers", o.Customers))
	for _, args := range [][]string{{"migrate", "--verbosity", "0"}, {"seed_shop", "--customers", strconv.Itoa(o.Customers)}} {
		cmd := exec.CommandContext(ctx, o.Python, append([]string{"manage.py"}, args...)...)
		cmd.Dir, cmd.Env = filepath.Join(o.Root, "examples/shop/monolith"), append(os.Environ(), env...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("manage.py %v: %w\n%s", args, err, text)
		}
	}
	return nil
}

// Command runs the crossfade command line against this stack.
func (s *Stack) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.CLI, args...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "CROSSFADE_SERVER="+s.InternalURL, "CROSSFADE_AUTHOR=shop")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("crossfade %v: %w\n%s", args, err, out)
	}
	return string(out), nil
}

// Keep leaves the folder where it is, for somebody who wants to know what happened.
func (s *Stack) Keep() { s.temporary = false }

// Dead names the processes that ended although nobody stopped them.
func (s *Stack) Dead() (names []string) {
	for _, p := range []*Process{s.Monolith, s.Crossfade, s.Storefront} {
		if p != nil && p.exitedByNow() {
			names = append(names, p.command.name)
		}
	}
	return names
}

// Close stops everything, in the order opposite to the start, and removes a temporary folder.
func (s *Stack) Close() {
	for _, p := range []*Process{s.Crossfade, s.Storefront, s.Monolith} {
		if p != nil {
			p.Stop(10 * time.Second)
		}
	}
	if s.Bridge != nil {
		s.Bridge.Close()
	}
	if s.temporary {
		os.RemoveAll(s.Dir)
	}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts asks the system for ports and gives them back: between that and their use another process
// may take one, which then fails loudly at its start.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
