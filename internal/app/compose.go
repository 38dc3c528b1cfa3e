package app

import (
	"context"
	"crypto/sha256"

	"crossfade.dev/crossfade/client/browser"
	"crossfade.dev/crossfade/edge"
	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/rollout"
)

func (a *App) firstGeneration(secrets *config.Secrets) error {
	g, err := a.newGeneration(a.cfg, secrets)
	if err != nil {
		return err
	}
	a.current.swap(g)
	audit, err := newAuditor(a.opts.Log, a.cfg.Log)
	if err != nil {
		return err
	}
	a.sessions.UseRegistry(g.registry)
	a.sessions.AuditTo(audit)
	a.sessions.OnWrite(a.current.wrote)
	// By then the listeners are drained; what still runs are streams that nobody waits for.
	a.opens("edge", func(context.Context) error { a.current.now.Load().close(); return nil })
	return nil
}

// newGeneration builds everything that one configuration asks for. On failure nothing of it stays open.
func (a *App) newGeneration(cfg *config.Config, secrets *config.Secrets) (_ *generation, err error) {
	g := &generation{cfg: cfg, admin: sha256.Sum256(secrets.Admin)}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.registry, err = a.registryOf(cfg); err != nil {
		return nil, err
	}
	if g.tls, err = loadCertificate(cfg.Public.TLS); err != nil {
		return nil, err
	}
	if g.bridge, err = a.newBridge(cfg, secrets.Bridge); err != nil {
		return nil, err
	}
	g.closing = append(g.closing, g.bridge.Close)
	if g.internal, err = a.internalHandler(g, secrets); err != nil {
		return nil, err
	}
	return g, a.addEdge(g)
}

// addEdge builds the edge of a generation, with what lives as long as the process behind it.
func (a *App) addEdge(g *generation) error {
	cfg, err := edgeConfig(g.cfg)
	if err != nil {
		return err
	}
	keys, err := mappingOf(g.cfg)
	if err != nil {
		return err
	}
	e, err := edge.New(cfg, edge.Deps{
		Sessions: a.sessions,
		Bridge:   g.bridge,
		Mapping:  keys,
		Snapshot: a.control.Snapshot,
		Contexts: a.signer,
		Ring:     a.ring,
		Facts:    staff(g.cfg),
		ClaimMagic: func(ctx context.Context, id rollout.MagicID, visitor [16]byte) error {
			return a.control.ClaimMagic(ctx, id, visitor)
		},
		Observer: observer{metrics: a.telemetry.Metrics, log: a.log, scheme: cfg.Public.Scheme, requests: g.cfg.Log.Requests},
		Client:   browser.Handler(),
		Clock:    a.opts.Clock,
		Rand:     a.opts.Rand,
		Log:      a.log,
	})
	if err != nil {
		return err
	}
	g.public, g.written = e, e.Written
	g.closing = append(g.closing, e.Close)
	// The edge has obeyed a snapshot when it plans by it; a kill reports how long that took.
	g.closing = append(g.closing, a.control.Watch(func(*rollout.Snapshot) { e.Version() }))
	return nil
}
