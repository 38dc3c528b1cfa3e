package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"crossfade.dev/crossfade/internal/app"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/rpcfault"
	"crossfade.dev/crossfade/proto/gen/crossfade/control/v1/controlv1connect"
	"crossfade.dev/crossfade/proto/gen/crossfade/session/v1/sessionv1connect"
)

// site is an application in a folder of its own, in front of an upstream that a test writes. It is what
// "crossfade serve" runs, on ports that the system chose.
type site struct {
	t        *testing.T
	dir      string
	app      *app.App
	log      *buffer
	reload   chan os.Signal
	upstream *httptest.Server
	public   string
	internal string
	stop     func() error // stops serving and waits; idempotent
}

// buffer is a log that a test reads while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const configText = `public: {listen: "127.0.0.1:0", url: "http://localhost:8080", drain: 5s}
internal: {listen: "127.0.0.1:0"}
data: {folder: data}
keys: [{id: 1, file: secrets/key-1}]
upstreams:
  monolith: {url: %q, trusted: true}
legacy:
  upstream: monolith
  bridge: {secrets: [{id: 1, file: secrets/bridge-1}], timeout: 2s}
routes:
  - {path: /, upstream: monolith}
clients:
  - {name: monolith, role: legacy, secret: {file: secrets/monolith}}
admin: {token: {file: secrets/admin.token}}
`

// install writes configuration and secrets into a new folder.
func install(t *testing.T, upstream string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "secrets"), 0o700))
	for _, name := range []string{"key-1", "bridge-1", "monolith", "admin.token"} {
		var b [32]byte
		_, _ = rand.Read(b[:])
		must(t, os.WriteFile(filepath.Join(dir, "secrets", name), []byte(hex.EncodeToString(b[:])), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "crossfade.yaml"), fmt.Appendf(nil, configText, upstream), 0o600))
	return dir
}

// start serves a new site in front of handler.
func start(t *testing.T, handler http.Handler) *site {
	t.Helper()
	s := &site{t: t, upstream: httptest.NewServer(handler)}
	t.Cleanup(s.upstream.Close)
	s.dir = install(t, s.upstream.URL)
	s.serve()
	return s
}

// serve starts the application in the site's folder, as the program does.
func (s *site) serve() {
	s.t.Helper()
	s.log, s.reload = new(buffer), make(chan os.Signal)
	a, err := app.New(s.t.Context(), s.config(), app.Options{Version: "test", Log: s.log, Reload: s.reload})
	must(s.t, err)
	s.app, s.public, s.internal = a, "http://"+a.PublicAddr(), "http://"+a.InternalAddr()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		return firstOf(err, a.Close(context.Background()))
	})
	s.t.Cleanup(func() {
		if err := s.stop(); err != nil {
			s.t.Errorf("stop: %v", err)
		}
	})
	s.ready()
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the application says so: the listener queues what comes before.
func (s *site) ready() {
	s.t.Helper()
	for {
		status, _ := get(s.t, s.internal+"/readyz")
		if status == http.StatusOK {
			return
		}
		if s.t.Context().Err() != nil {
			s.t.Fatal("never ready")
		}
	}
}

func (s *site) config() *config.Config {
	s.t.Helper()
	c, err := config.Load(filepath.Join(s.dir, "crossfade.yaml"))
	must(s.t, err)
	return c
}

// edit changes the configuration file.
func (s *site) edit(old, new string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "crossfade.yaml")
	text, err := os.ReadFile(path)
	must(s.t, err)
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("the configuration has no %q", old)
	}
	must(s.t, os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
}

func (s *site) secret(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "secrets", name))
	must(s.t, err)
	return string(text)
}

func (s *site) bearer(name string) connect.ClientOption {
	secret := s.secret(name)
	return connect.WithInterceptors(rpcfault.Client(), connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("Authorization", "Bearer "+secret)
			return next(ctx, r)
		}
	}))
}

func (s *site) control() controlv1connect.ControlServiceClient {
	return controlv1connect.NewControlServiceClient(http.DefaultClient, s.internal, s.bearer("admin.token"))
}

func (s *site) sessions(secret string) sessionv1connect.SessionServiceClient {
	return sessionv1connect.NewSessionServiceClient(http.DefaultClient, s.internal, s.bearer(secret))
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	r.Host = "localhost:8080" // as browsers have typed it
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		message, hint := fault.Public(err)
		t.Fatalf("%v (%s; %s)", err, message, hint)
	}
}

func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"by": name, "path": r.URL.Path, "context": r.Header.Get("Crossfade-Context"), "host": r.Host})
	}
}

func TestApp_Serves(t *testing.T) {
	s := start(t, echo("monolith"))
	t.Run("visitors reach the upstream, with a context for it", func(t *testing.T) {
		status, body := get(t, s.public+"/menu/")
		var got map[string]string
		must(t, json.Unmarshal([]byte(body), &got))
		if status != 200 || got["by"] != "monolith" || got["path"] != "/menu/" || strings.Count(got["context"], ".") != 2 {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("the browser client and the handshake are served, nothing else of ours", func(t *testing.T) {
		if status, body := get(t, s.public+"/_crossfade/client.js"); status != 200 || !strings.Contains(body, "handshake") {
			t.Errorf("client.js: %d", status)
		}
		for _, path := range []string{"/_crossfade/bridge/v1/end", "/_crossfade/x", "/%5fcrossfade/bridge/v1/end"} {
			if status, body := get(t, s.public+path); status != 404 || strings.Contains(body, "monolith") {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	})
	t.Run("internal endpoints answer on the internal listener and not on the public one", func(t *testing.T) {
		for path, want := range map[string]string{
			"/healthz": `"ok"`, "/readyz": `"sessions":"ok"`, "/.well-known/jwks.json": `"OKP"`,
			"/metrics": "http_server_request_duration_seconds_count",
		} {
			if status, body := get(t, s.internal+path); status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d lacks %s", path, status, want)
			}
			if _, body := get(t, s.public+path); strings.Contains(body, want) {
				t.Errorf("%s is public", path)
			}
		}
	})
	t.Run("what was counted stands in the metrics", func(t *testing.T) {
		_, page := get(t, s.internal+"/metrics")
		for _, want := range []string{`http_route="/"`, "crossfade_snapshot_version", "crossfade_ends_outstanding", `crossfade_events_total{crossfade_event="forbidden_path"} 3`} {
			if !strings.Contains(page, want) {
				t.Errorf("lacks %s", want)
			}
		}
	})
	t.Run("no secret gets into the log", func(t *testing.T) {
		for _, name := range []string{"key-1", "bridge-1", "monolith", "admin.token"} {
			if strings.Contains(s.log.String(), s.secret(name)) {
				t.Errorf("%s is in the log", name)
			}
		}
	})
}

func TestApp_StartAndStop(t *testing.T) {
	t.Run("state survives a restart", func(t *testing.T) {
		s := start(t, echo("monolith"))
		startRollout(t, s)
		must(t, s.stop())
		s.serve()
		if got := getRollout(t, s); got.State != "running" || got.TreatmentMillionths != 2500 {
			t.Errorf("after the restart: %v", got)
		}
	})
	t.Run("a second process on the same data is refused", func(t *testing.T) {
		s := start(t, echo("monolith"))
		_, err := app.New(t.Context(), s.config(), app.Options{Log: io.Discard})
		if message, _ := fault.Public(err); err == nil || fault.CodeOf(err) == fault.Internal {
			t.Errorf("accepted, or unclear: %v (%s)", err, message)
		}
		if status, _ := get(t, s.public+"/"); status != 200 {
			t.Error("the first one suffered from it")
		}
	})
	t.Run("a port that is taken is told before anything is opened", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer taken.Close()
		dir := install(t, "http://127.0.0.1:1")
		c, err := config.Load(filepath.Join(dir, "crossfade.yaml"))
		must(t, err)
		c.Public.Listen = taken.Addr().String()
		_, err = app.New(t.Context(), c, app.Options{Log: io.Discard})
		if message, hint := fault.Public(err); !strings.Contains(message, "is in use") || hint == "" {
			t.Errorf("%v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "data")); !os.IsNotExist(err) {
			t.Error("a database was touched")
		}
	})
	t.Run("a request under way is answered before the process ends", func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(entered)
				<-leave
			}
			_, _ = io.WriteString(w, "done")
		}))
		answered := make(chan string, 1)
		go func() {
			_, body := get(t, s.public+"/slow")
			answered <- body
		}()
		<-entered
		stopped := make(chan error, 1)
		go func() { stopped <- s.stop() }()
		until(t, func() bool { return strings.Contains(s.log.String(), "stopping") })
		select {
		case <-stopped:
			t.Error("stopped over a request")
		default:
		}
		close(leave)
		if body := <-answered; body != "done" {
			t.Errorf("the request got %q", body)
		}
		must(t, <-stopped)
	})
	t.Run("closing before serving leaves nothing open", func(t *testing.T) {
		s := &site{t: t, dir: install(t, "http://127.0.0.1:1")}
		for range 2 {
			a, err := app.New(t.Context(), s.config(), app.Options{Log: io.Discard})
			must(t, err)
			must(t, a.Close(t.Context()))
			must(t, a.Close(t.Context()))
		}
	})
}

// until waits for something that another goroutine is about to do.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it never happened")
		}
	}
}
