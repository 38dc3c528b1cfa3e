package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

// watch reloads until ctx ends. A configuration that came from memory is only what it is.
func (a *App) watch(ctx context.Context) {
	if a.cfg.File() == "" {
		return
	}
	w := config.Watcher{Every: watchEvery, Apply: a.Reload, Log: a.log}
	w.Run(ctx, a.cfg, a.opts.Reload)
}

// Reload builds what the next configuration asks for beside what runs, and swaps it in when all of it
// could be built. Requests that are under way finish with what they began with; none is dropped. What
// cannot change while the process runs is refused, with everything else that came with it.
func (a *App) Reload(_ context.Context, next *config.Config) error {
	secrets, err := next.ReadSecrets(a.opts.Getenv)
	if err != nil {
		return err
	}
	if fields := a.needRestart(next, secrets.Keys); len(fields) > 0 {
		return fault.New(fault.Precondition, "%s cannot change while the process runs", strings.Join(fields, ", ")).
			WithHint("restart it: sessions survive that, and requests under way are answered first")
	}
	audit, err := newAuditor(a.opts.Log, next.Log)
	if err != nil {
		return err
	}
	g, err := a.newGeneration(next, secrets)
	if err != nil {
		return err
	}
	if err := a.level.UnmarshalText([]byte(next.Log.Level)); err != nil {
		g.retire()
		return fault.Wrap(err, fault.Invalid, "log.level %q is unknown", next.Log.Level)
	}
	a.sessions.UseRegistry(g.registry)
	a.sessions.AuditTo(audit)
	a.current.swap(g)
	return nil
}

// needRestart names the fields that live as long as the process and differ.
func (a *App) needRestart(next *config.Config, keys []keyring.Secret) []string {
	now := a.cfg
	var out []string
	differs := func(name string, x, y any) {
		if !reflect.DeepEqual(x, y) {
			out = append(out, name)
		}
	}
	differs("public.listen", now.Public.Listen, next.Public.Listen)
	differs("public.tls", now.Public.TLS.Certificate == "", next.Public.TLS.Certificate == "")
	differs("public.header_timeout", now.Public.HeaderTimeout, next.Public.HeaderTimeout)
	differs("public.idle_timeout", now.Public.IdleTimeout, next.Public.IdleTimeout)
	differs("public.max_header_bytes", now.Public.MaxHeaderBytes, next.Public.MaxHeaderBytes)
	differs("internal.listen", now.Internal.Listen, next.Internal.Listen)
	differs("data.folder", now.Data.Folder, next.Data.Folder)
	differs("session", lifetimes(now.Session), lifetimes(next.Session))
	differs("log.format", now.Log.Format, next.Log.Format)
	if a.keyPrint != fingerprint(keys) {
		out = append(out, "keys")
	}
	slices.Sort(out)
	return out
}

// lifetimes are the parts of a session section that the session manager was made with.
func lifetimes(s config.Session) config.Session {
	s.Deadline, s.KillDeadline = 0, 0      // the edge's own
	s.Attributes, s.Unregistered = nil, "" // a registry can be replaced
	return s
}

// fingerprint tells whether keys are the same without keeping them.
func fingerprint(keys []keyring.Secret) [sha256.Size]byte {
	h := sha256.New()
	for _, k := range keys {
		fmt.Fprintf(h, "%d:%d:", k.ID, len(k.Bytes))
		h.Write(k.Bytes)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
