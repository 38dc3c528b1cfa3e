package command_test

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/control"
	"crossfade.dev/crossfade/control/controlapi"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

// TestCommands_control runs what people are told to type against the control plane itself: a command
// that the server then refuses would be a command that nobody can use as written.
func TestCommands_control(t *testing.T) {
	w := newWorld(t)
	w.environ["CROSSFADE_SERVER"] = serveControl(t)
	for _, c := range []struct{ command, says string }{
		{"rollout list", "sessions  draft"},
		{"rollout start sessions --reason go --stages 0.25%,5%!,100%", "sessions: running, 0.25% treated"},
		{"rollout hold sessions --reason weekend", "sessions: holding"},
		{"rollout ramp sessions --reason quiet --to 1%", "sessions: running, 1% treated"},
		{"rollout ramp sessions --reason quiet", "5% waits for approval"},
		{"rollout approve sessions --author bela --reason fine", "sessions: running, 5% treated"},
		{"kill sessions --rehearsal --reason drill", "killed for staff"},
		{"kill lift sessions --resume --reason done", "sessions: running"},
		{"kill sessions --reason slow", "KILLED"},
		{"kill lift sessions --reason mended", "sessions: running"},
		{"rollout rollback sessions --reason prices", "sessions: armed, 0% treated"},
		{"rollout start sessions --reason again", "sessions: running"},
		{"rollout ramp sessions --reason quiet", "5% waits for approval"},
		{"rollout approve sessions --author bela --reason fine", "5% treated"},
		{"rollout ramp sessions --reason all", "100% treated"},
		{"rollout finish sessions --dry-run", "nothing was changed"},
		{"rollout finish sessions --reason done", "sessions: finish"},
		{"rollout show sessions", "sessions"},
		{"magic issue --for qa --ttl 2h", "__Host-cf_magic="},
		{"magic list", "qa"},
		{"changes", "magic_issue"},
	} {
		if out := w.ok(strings.Fields(c.command)...); !strings.Contains(out, c.says) {
			t.Errorf("%s says %q, want %q", c.command, out, c.says)
		}
	}
	t.Run("a slip in a name is told", func(t *testing.T) {
		r := w.run("rollout", "show", "sesions")
		if want := "crossfade: no such rollout \"sesions\"\nhint: did you mean \"sessions\"? list them with \"crossfade rollout list\"\n"; r.err != want {
			t.Errorf("says %q", r.err)
		}
	})
}

// serveControl is the address of a control plane in a folder of its own.
func serveControl(t *testing.T) string {
	t.Helper()
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	c, err := control.Open(t.Context(), control.Config{
		Path: filepath.Join(t.TempDir(), "control.db"), Heartbeat: -1, Removable: []string{"the bridge"},
	}, control.Deps{Now: time.Now, Rand: rand.Reader, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(controlapi.New(c, controlapi.Options{
		MagicCookie: "__Host-cf_magic", Log: log, Rand: rand.Reader,
		Authorize: func(h http.Header) error {
			if h.Get("Authorization") != "Bearer "+token {
				return fault.New(fault.Unauthenticated, "no valid admin token")
			}
			return nil
		},
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); c.Close() })
	return server.URL
}
