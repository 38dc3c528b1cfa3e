package testenv_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
)

// started is a process that writes a line for each of its lives and then waits.
func started(t *testing.T, script string) *testenv.Process {
	t.Helper()
	mark := filepath.Join(t.TempDir(), "ready")
	return testenv.Start(t, testenv.Command{
		Name: "script", Path: shell(t), Env: []string{"MARK=" + mark},
		Args: []string{"-c", script},
		Ready: func(context.Context) error {
			if _, err := os.Stat(mark); err != nil {
				return err
			}
			return os.Remove(mark)
		},
	})
}

const waits = `echo alive; touch "$MARK"; while :; do sleep 1; done`

func TestProcess(t *testing.T) {
	t.Run("stop asks, and returns how it ended", func(t *testing.T) {
		p := started(t, `trap 'echo bye; exit 7' TERM; `+waits)
		if code := exitCode(p.Stop()); code != 7 {
			t.Errorf("exit code %d", code)
		}
		if !strings.Contains(p.Logs(), "bye") || p.Running() {
			t.Errorf("running %v, output %q", p.Running(), p.Logs())
		}
		if code := exitCode(p.Stop()); code != 7 {
			t.Errorf("stopped again: exit code %d", code)
		}
	})
	t.Run("kill asks nobody, and restart brings it back", func(t *testing.T) {
		p := started(t, `trap 'echo bye' TERM; `+waits)
		p.Kill()
		if p.Running() || strings.Contains(p.Logs(), "bye") {
			t.Errorf("running %v, output %q", p.Running(), p.Logs())
		}
		p.Restart()
		// It may be ready before its output has come through the pipe.
		if !p.Running() || !soon(func() bool { return strings.Count(p.Logs(), "alive") == 2 }) {
			t.Errorf("running %v, output %q", p.Running(), p.Logs())
		}
		p.Kill()
	})
	t.Run("kill takes the children too", func(t *testing.T) {
		p := started(t, `sh -c '`+waits+`' & echo child $!; while :; do sleep 1; done`)
		p.Kill()
		for _, field := range strings.Fields(p.Logs()) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			// It was sent its signal with its parent, and dies when the machine next gives it a turn.
			if !soon(func() bool { return !alive(pid) }) {
				t.Errorf("child %d outlived its parent", pid)
			}
		}
	})
}

// soon waits until something holds that another process does in its own time.
func soon(holds func() bool) bool {
	patience := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-patience:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	return true
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) }

// zombie reports whether a process is dead and only waits for somebody to ask.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ")
}

func TestDjango(t *testing.T) {
	for _, c := range []struct {
		name, want string
		project    testenv.DjangoProject
	}{
		{"runserver, Django 5.2", "Django 5.2", testenv.DjangoProject{}},
		{"gunicorn, Django 4.2", "Django 4.2", testenv.DjangoProject{WSGI: "site_apps:wsgi", Version: testenv.Django42}},
		{"uvicorn, Django 5.2", "Django 5.2", testenv.DjangoProject{ASGI: "site_apps:asgi"}},
	} {
		t.Run(c.name+": sessions survive kill -9", func(t *testing.T) {
			c.project.Dir = "internal/testenv/testdata/site"
			site := testenv.Django(t, c.project)
			jar, _ := cookiejar.New(nil)
			client := &http.Client{Jar: jar}
			expect(t, client, site.URL, c.want+" visit 1")
			site.Kill()
			site.Restart()
			expect(t, client, site.URL, c.want+" visit 2")
			if _, err := os.Stat(filepath.Join(testenv.Root(t), c.project.Dir, "db.sqlite3")); err == nil {
				t.Error("the site wrote into the checkout")
			}
		})
	}
}

func expect(t *testing.T, client *http.Client, url, want string) {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != want {
		t.Errorf("got %q, want %q (%v)", body, want, err)
	}
}
