package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"crossfade.dev/crossfade/internal/fault"
)

func TestApp_Reload(t *testing.T) {
	t.Run("new requests get the new configuration, those under way the old one", func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(entered)
				<-leave
			}
			_, _ = io.WriteString(w, "old")
		}))
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "new") }))
		t.Cleanup(other.Close)
		answered := make(chan string, 1)
		go func() {
			_, body := get(t, s.public+"/slow")
			answered <- body
		}()
		<-entered
		s.edit(fmt.Sprintf("%q", s.upstream.URL), fmt.Sprintf("%q", other.URL))
		s.reload <- syscall.SIGHUP
		until(t, func() bool { return strings.Contains(s.log.String(), "configuration reloaded") })
		if _, body := get(t, s.public+"/"); body != "new" {
			t.Errorf("a new request got %q", body)
		}
		close(leave)
		if body := <-answered; body != "old" {
			t.Errorf("the request under way got %q", body)
		}
	})
	t.Run("a bad configuration is refused, and the old one serves on", func(t *testing.T) {
		s := start(t, echo("monolith"))
		s.edit("routes:", "rutes:")
		s.reload <- syscall.SIGHUP
		until(t, func() bool { return strings.Contains(s.log.String(), "configuration refused") })
		if log := s.log.String(); !strings.Contains(log, "rutes") {
			t.Error(log)
		}
		if status, _ := get(t, s.public+"/"); status != 200 {
			t.Error("it does not serve on")
		}
	})
	t.Run("a configuration that cannot be built is refused", func(t *testing.T) {
		s := start(t, echo("monolith"))
		s.edit("legacy:\n", "legacy:\n  mapping: {file: nowhere.yaml}\n")
		err := s.app.Reload(t.Context(), s.config())
		if message, hint := fault.Public(err); !strings.Contains(message, "cannot read the mapping") || hint == "" {
			t.Error(err)
		}
	})
	for name, change := range map[string][2]string{
		"data.folder":   {"folder: data", "folder: elsewhere"},
		"public.listen": {`public: {listen: "127.0.0.1:0"`, `public: {listen: "127.0.0.1:65001"`},
		"session":       {"admin:", "session: {idle: 1d}\nadmin:"},
		"keys":          {"id: 1, file: secrets/key-1", "id: 2, file: secrets/key-1"},
	} {
		t.Run(name+" needs a restart, and says so", func(t *testing.T) {
			s := start(t, echo("monolith"))
			s.edit(change[0], change[1])
			err := s.app.Reload(t.Context(), s.config())
			if message, hint := fault.Public(err); !strings.Contains(message, name+" cannot change") || !strings.Contains(hint, "restart") {
				t.Error(err)
			}
		})
	}
	t.Run("a new admin token counts at once, the old one no longer", func(t *testing.T) {
		s := start(t, echo("monolith"))
		old := s.control()
		must(t, os.WriteFile(filepath.Join(s.dir, "secrets", "admin.token"), []byte(strings.Repeat("n", 40)), 0o600))
		must(t, s.app.Reload(t.Context(), s.config()))
		if _, err := old.ListRollouts(t.Context(), nil); fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("the old token: %v", err)
		}
		getRollout(t, s)
	})
}
