// Package system_test runs the crossfade binary as operators do, as a process with a configuration file,
// between plain upstreams: it is killed, drained, reloaded, started twice, starved of disk, and talked
// to by outsiders over raw connections.
//
// Invariant: what was answered is kept, and what an outsider sends reaches no upstream that it was not
// meant for.
package system_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/client"
	"crossfade.dev/crossfade/internal/testenv"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 30 * time.Second

// site is a crossfade process between two applications: "monolith" is the legacy one, "shop" the new one.
type site struct {
	t                *testing.T
	dir              string // configuration, secrets and data
	binary           string
	public, internal string // addresses
	monolith, shop   *application
	*testenv.Process
}

const configuration = `public: {listen: %q, url: "http://localhost:%s", drain: 20s}
internal: {listen: %q}
data: {folder: data}
keys: [{id: 1, file: secrets/key-1}]
admin: {token: {file: secrets/admin}}
upstreams:
  monolith: {url: %q, trusted: true}
  shop: {url: %q, trusted: true}
clients:
  - {name: monolith, role: legacy, secret: {file: secrets/monolith}}
  - {name: shop, role: service, secret: {file: secrets/shop}}
legacy:
  upstream: monolith
  bridge: {secrets: [{id: 1, file: secrets/bridge}], timeout: 2s}
routes:
  - {path: /, legacy: monolith, new: shop}
rollout: {name: sessions, control_slice: "0"}
`

// start installs a site in a folder of its own and runs it, with everybody on legacy.
func start(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, dir: t.TempDir(), binary: testenv.Binary(t), public: testenv.Address(t), internal: testenv.Address(t),
		monolith: &application{name: "monolith"}, shop: &application{name: "shop"},
	}
	s.secrets()
	shop, err := client.New(client.Config{API: "http://" + s.internal, Name: "shop", Secret: s.secret("shop")})
	must(t, err)
	s.shop.sessions = shop.Middleware
	s.monolith.serve(t)
	s.shop.serve(t)
	s.configure(configuration)
	s.Process = testenv.Start(t, s.command(s.dir))
	return s
}

// startNew is start with everybody on new.
func startNew(t *testing.T) *site {
	t.Helper()
	s := start(t)
	s.run("rollout", "start", "sessions", "--reason", "begin")
	s.run("rollout", "ramp", "sessions", "--to", "100", "--reason", "everybody")
	eventually(t, "a new visitor is on new", func() bool { return s.visitor().get("/") == "shop" })
	return s
}

func (s *site) secrets() {
	s.t.Helper()
	must(s.t, os.Mkdir(filepath.Join(s.dir, "secrets"), 0o700))
	for _, name := range []string{"key-1", "admin", "monolith", "shop", "bridge"} {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		must(s.t, os.WriteFile(filepath.Join(s.dir, "secrets", name), []byte(hex.EncodeToString(b[:])), 0o600))
	}
}

func (s *site) secret(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "secrets", name))
	must(s.t, err)
	return string(text)
}

// configure writes the configuration in one step, so that no reload meets half of it.
func (s *site) configure(text string) {
	s.t.Helper()
	_, port, _ := strings.Cut(s.public, ":")
	text = fmt.Sprintf(text, s.public, port, s.internal, s.monolith.url, s.shop.url)
	must(s.t, os.WriteFile(s.config()+".next", []byte(text), 0o600))
	must(s.t, os.Rename(s.config()+".next", s.config()))
}

func (s *site) config() string { return filepath.Join(s.dir, "crossfade.yaml") }

func (s *site) command(dir string) testenv.Command {
	return testenv.Command{
		Name: "crossfade", Path: s.binary, Args: []string{"serve", "--config", filepath.Join(dir, "crossfade.yaml")}, Dir: dir,
		Ready: testenv.HTTPReady("http://" + s.internal + "/readyz"),
	}
}

// run runs a command of the command line against the site.
func (s *site) run(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.binary, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "CROSSFADE_AUTHOR=system-test", "CROSSFADE_SERVER=http://"+s.internal)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("crossfade %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// pid is the number of the process, as its lock says.
func (s *site) pid() int {
	s.t.Helper()
	locks, err := filepath.Glob(filepath.Join(s.dir, "data", "*.lock"))
	must(s.t, err)
	for _, name := range locks {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			must(s.t, err)
			return pid
		}
	}
	s.t.Fatalf("no lock in the data folder names the process: %v", locks)
	return 0
}

// serve gives an application a server that lives as long as the test.
func (a *application) serve(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	// Streams that a failing test left open must not keep Close waiting.
	t.Cleanup(server.CloseClientConnections)
	a.url = server.URL
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// status asks an address of the internal listener; 0: nobody answers.
func (s *site) status(path string) int {
	res, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.internal + path)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}
