package system_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// counter is a visitor who counts in her session, and knows what was confirmed to her.
type counter struct {
	*visitor
	tried, kept int
}

// count goes on until an answer fails to come.
func (c *counter) count(answered *atomic.Int64) error {
	for {
		c.tried = c.kept + 1
		text, err := c.send(http.MethodPost, fmt.Sprintf("/count?to=%d", c.tried))
		if err != nil || text != "kept" {
			return err
		}
		c.kept = c.tried
		answered.Add(1)
	}
}

// check holds the session against what was confirmed.
func (c *counter) check() error {
	text, err := c.send(http.MethodGet, "/count")
	if err != nil {
		return err
	}
	_, count, _ := strings.Cut(text, " ")
	if count != fmt.Sprint(c.kept) && count != fmt.Sprint(c.tried) {
		return fmt.Errorf("the counter is at %s; %d was confirmed, %d tried", count, c.kept, c.tried)
	}
	_, err = fmt.Sscan(count, &c.kept)
	return err
}

func TestKill(t *testing.T) {
	t.Run("kill -9 under load loses nothing that was answered", func(t *testing.T) {
		s := startNew(t)
		counters := make([]*counter, 16)
		for i := range counters {
			counters[i] = &counter{visitor: s.visitor()}
			if text := counters[i].get("/"); text != "shop" {
				t.Fatal(text)
			}
		}
		for round := range 3 {
			var answered atomic.Int64
			var all sync.WaitGroup
			for _, c := range counters {
				all.Go(func() { _ = c.count(&answered) }) // it ends with the process
			}
			eventually(t, "there is load", func() bool { return answered.Load() > 300 })
			s.Kill()
			all.Wait()
			s.Restart()
			for i, c := range counters {
				if err := c.check(); err != nil {
					t.Errorf("round %d, visitor %d: %v", round, i, err)
				}
			}
		}
	})
}

func TestStop(t *testing.T) {
	t.Run("SIGTERM answers what was accepted, and takes nothing more", func(t *testing.T) {
		s := start(t)
		answered := make(chan string, 1)
		v := s.visitor()
		go func() { answered <- v.get("/slow") }()
		request := receive(t, s.monolith.slow)

		s.Signal(syscall.SIGTERM)
		eventually(t, "no new connection is taken", func() bool {
			c, err := net.DialTimeout("tcp", s.public, time.Second)
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		// The internal listener is there until the last answer: applications need it for that.
		if status := s.status("/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("while it drains, /readyz answers %d", status)
		}
		if status := s.status("/.well-known/jwks.json"); status != http.StatusOK {
			t.Errorf("while it drains, the keys answer %d", status)
		}
		request.answer <- "and done"
		if text := receive(t, answered); text != "begun and done" {
			t.Errorf("the request under way got %q", text)
		}
		if err := s.Stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestSecondProcess(t *testing.T) {
	s := start(t)
	t.Run("on the same data folder it is refused, and says what to do", func(t *testing.T) {
		second := &site{t: t, dir: t.TempDir(), public: "127.0.0.1:0", internal: "127.0.0.1:0", monolith: s.monolith, shop: s.shop}
		second.secrets()
		second.configure(strings.Replace(configuration, "folder: data", "folder: "+filepath.Join(s.dir, "data"), 1))
		said := refused(t, s.binary, second.dir)
		if !strings.Contains(said, "another process uses") || !strings.Contains(said, "stop the other crossfade") {
			t.Errorf("it says: %s", said)
		}
	})
	t.Run("on the same port it is refused, and says what to do", func(t *testing.T) {
		second := &site{t: t, dir: t.TempDir(), public: s.public, internal: "127.0.0.1:0", monolith: s.monolith, shop: s.shop}
		second.secrets()
		second.configure(configuration)
		said := refused(t, s.binary, second.dir)
		if !strings.Contains(said, "public.listen: "+s.public+" is in use") || !strings.Contains(said, "another port") {
			t.Errorf("it says: %s", said)
		}
	})
	t.Run("the first one serves on", func(t *testing.T) {
		if text := s.visitor().get("/"); text != "monolith" {
			t.Error(text)
		}
	})
}

// refused runs "crossfade serve", which must end by itself and badly, and gives what it said.
func refused(t *testing.T, binary, dir string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "serve", "--config", filepath.Join(dir, "crossfade.yaml"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("it was not refused: %v, %v\n%s", err, ctx.Err(), out)
	}
	return string(out)
}

func TestReload(t *testing.T) {
	s := start(t)
	t.Run("SIGHUP with a bad configuration keeps the old one serving", func(t *testing.T) {
		for what, change := range map[string][2]string{
			"rutes":       {"routes:", "rutes:"},
			"nobody":      {"new: shop", "new: nobody"},
			"data.folder": {"folder: data", "folder: elsewhere"},
		} {
			s.configure(strings.Replace(configuration, change[0], change[1], 1))
			s.Signal(syscall.SIGHUP)
			eventually(t, "the log refuses "+what, func() bool {
				_, after, refused := strings.Cut(s.Logs(), "configuration refused")
				return refused && strings.Contains(after, what)
			})
			if text := s.visitor().get("/"); text != "monolith" {
				t.Errorf("with a bad configuration (%s) the visitor gets %q", what, text)
			}
		}
	})
	t.Run("a request under way during a reload is answered by what it began with", func(t *testing.T) {
		answered := make(chan string, 1)
		v := s.visitor()
		go func() { answered <- v.get("/slow") }()
		request := receive(t, s.monolith.slow)

		// Now the shop is the monolith: requests show which configuration serves them.
		s.configure(strings.Replace(configuration, "legacy: monolith,", "legacy: shop,", 1))
		s.Signal(syscall.SIGHUP)
		eventually(t, "the good configuration serves", func() bool { return s.visitor().get("/") == "shop" })
		request.answer <- "and done"
		if text := receive(t, answered); text != "begun and done" {
			t.Errorf("the request under way got %q", text)
		}
	})
	t.Run("SIGHUP drops no request", func(t *testing.T) {
		stop := make(chan struct{})
		var all sync.WaitGroup
		var answered atomic.Int64
		for range 4 {
			all.Go(func() {
				v := s.visitor()
				for {
					select {
					case <-stop:
						return
					default:
					}
					if text := v.get("/"); text != "shop" && text != "monolith" {
						t.Errorf("during a reload: %s", text)
					}
					answered.Add(1)
				}
			})
		}
		for round := range 5 {
			text := configuration
			if round%2 == 1 {
				text = strings.Replace(text, "legacy: monolith,", "legacy: shop,", 1)
			}
			reloads := strings.Count(s.Logs(), "configuration reloaded")
			before := answered.Load()
			s.configure(text)
			s.Signal(syscall.SIGHUP)
			eventually(t, "it reloads under load", func() bool {
				return strings.Count(s.Logs(), "configuration reloaded") > reloads && answered.Load() > before+20
			})
		}
		close(stop)
		all.Wait()
	})
}
