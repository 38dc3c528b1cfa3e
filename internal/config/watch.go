package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Watcher reloads a configuration while a process runs on it.
//
// Invariant: what runs is never left before what replaces it has been built and checked. A new file that
// is wrong is reported once and the old configuration serves on. A file that somebody is still writing is none: two
// looks in a row must find the same.
type Watcher struct {
	// Every is how often the file is looked at. It is read rather than subscribed to: files that an
	// orchestrator mounts change by a link that is swapped, which file events miss on some systems.
	Every time.Duration
	// Apply builds what the new configuration asks for and swaps it in, or refuses it whole.
	Apply func(context.Context, *Config) error
	Log   *slog.Logger
}

// Run watches the file that current was loaded from until ctx ends. Each value on ask (SIGHUP) reloads
// at once, even if the file has not changed: secrets or certificates may have.
func (w *Watcher) Run(ctx context.Context, current *Config, ask <-chan os.Signal) {
	seen := current.seen // what was loaded or refused
	last := seen         // what the look before found
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-ask:
			asked = true
		case <-tick.C:
		}
		now := fingerprint(current.files())
		settled := bytes.Equal(now, last)
		last = now
		if !asked && (!settled || bytes.Equal(now, seen)) {
			continue
		}
		seen = now
		if next, err := w.reload(ctx, current.file); err == nil {
			current, seen = next, next.seen
		} else {
			message, hint := fault.Public(err)
			w.Log.Error("configuration refused, the old one serves on", "file", current.file, "problem", message, "hint", hint)
		}
	}
}

func (w *Watcher) reload(ctx context.Context, file string) (*Config, error) {
	next, err := Load(file)
	if err != nil {
		return nil, err
	}
	if err := w.Apply(ctx, next); err != nil {
		return nil, err
	}
	w.Log.Info("configuration reloaded", "file", file)
	return next, nil
}

// files are all that a configuration is made of: itself, secrets, certificate, mapping.
func (c *Config) files() []string {
	out := []string{c.file}
	for _, p := range c.paths() {
		if *p != "" && *p != c.Data.Folder {
			out = append(out, *p)
		}
	}
	return out
}

// fingerprint changes when the content of a file does. A file that cannot be read counts as empty: the
// reload that follows says so properly.
func fingerprint(files []string) []byte {
	h := sha256.New()
	for _, name := range files {
		h.Write([]byte{0})
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		_, _ = io.Copy(h, io.LimitReader(f, maxSize))
		f.Close()
	}
	return h.Sum(nil)
}
