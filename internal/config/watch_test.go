package config_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"crossfade.dev/crossfade/internal/config"
)

func TestWatcher(t *testing.T) {
	// watch runs a watcher over a fresh installation; step lets two looks at the file pass.
	watch := func(t *testing.T, body func(path string, ask chan<- os.Signal, applied *[]*config.Config, refuse *error, log *bytes.Buffer, step func())) {
		path, _ := install(t)
		synctest.Test(t, func(t *testing.T) {
			c, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			var applied []*config.Config
			var refuse error
			var log bytes.Buffer
			w := config.Watcher{Every: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil)), Apply: func(_ context.Context, c *config.Config) error {
				if refuse == nil {
					applied = append(applied, c)
				}
				return refuse
			}}
			ctx, stop := context.WithCancel(t.Context())
			ask := make(chan os.Signal)
			done := make(chan struct{})
			go func() { w.Run(ctx, c, ask); close(done) }()
			body(path, ask, &applied, &refuse, &log, func() { time.Sleep(2 * time.Second); synctest.Wait() })
			stop()
			<-done
		})
	}
	t.Run("a changed file is applied once", func(t *testing.T) {
		watch(t, func(path string, _ chan<- os.Signal, applied *[]*config.Config, _ *error, _ *bytes.Buffer, step func()) {
			step()
			write(t, path, strings.Replace(good, "idle: 14d", "idle: 7d", 1), 0o600)
			step()
			step()
			if len(*applied) != 1 || (*applied)[0].Session.Idle != 7*config.Day {
				t.Errorf("applied %d times", len(*applied))
			}
		})
	})
	t.Run("a changed secret is applied", func(t *testing.T) {
		watch(t, func(path string, _ chan<- os.Signal, applied *[]*config.Config, _ *error, _ *bytes.Buffer, step func()) {
			step()
			write(t, filepath.Join(filepath.Dir(path), "secrets/key-1"), strings.Repeat("n", 32), 0o600)
			step()
			if len(*applied) != 1 {
				t.Errorf("applied %d times", len(*applied))
			}
		})
	})
	t.Run("a bad file is refused once, with the place, and the next good one is applied", func(t *testing.T) {
		watch(t, func(path string, _ chan<- os.Signal, applied *[]*config.Config, _ *error, log *bytes.Buffer, step func()) {
			write(t, path, strings.Replace(good, "idle: 14d", "idel: 14d", 1), 0o600)
			step()
			step()
			if len(*applied) != 0 || strings.Count(log.String(), "configuration refused") != 1 || !strings.Contains(log.String(), "session.idel") {
				t.Errorf("applied %d, log %s", len(*applied), log)
			}
			write(t, path, strings.Replace(good, "idle: 14d", "idle: 8d", 1), 0o600)
			step()
			if len(*applied) != 1 {
				t.Error("the watcher has given up")
			}
		})
	})
	t.Run("a file that is still being written is left alone", func(t *testing.T) {
		watch(t, func(path string, _ chan<- os.Signal, applied *[]*config.Config, _ *error, log *bytes.Buffer, step func()) {
			look := func() { time.Sleep(time.Second); synctest.Wait() }
			look()
			for _, half := range []string{"", good[:len(good)/2]} {
				write(t, path, half, 0o600)
				look()
			}
			write(t, path, strings.Replace(good, "idle: 14d", "idle: 7d", 1), 0o600)
			step()
			if len(*applied) != 1 || strings.Contains(log.String(), "refused") {
				t.Errorf("applied %d, log %s", len(*applied), log)
			}
		})
	})
	t.Run("a signal reloads what has not changed", func(t *testing.T) {
		watch(t, func(_ string, ask chan<- os.Signal, applied *[]*config.Config, _ *error, _ *bytes.Buffer, step func()) {
			ask <- syscall.SIGHUP
			step()
			if len(*applied) != 1 {
				t.Errorf("applied %d times", len(*applied))
			}
		})
	})
	t.Run("what cannot be built is refused, and a signal tries again", func(t *testing.T) {
		watch(t, func(path string, ask chan<- os.Signal, applied *[]*config.Config, refuse *error, log *bytes.Buffer, step func()) {
			*refuse = errors.New("no such certificate")
			ask <- syscall.SIGHUP
			step()
			if !strings.Contains(log.String(), "the old one serves on") {
				t.Error(log)
			}
			*refuse = nil
			ask <- syscall.SIGHUP
			step()
			if len(*applied) != 1 {
				t.Errorf("applied %d times", len(*applied))
			}
		})
	})
}
