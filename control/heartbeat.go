package control

import (
	"context"
	"time"

	"crossfade.dev/crossfade/rollout"
)

func (c *Control) heartbeat(ctx context.Context) {
	defer close(c.beat)
	if c.cfg.Heartbeat < 0 {
		return
	}
	tick := time.NewTicker(c.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.Beat(ctx); err != nil && ctx.Err() == nil {
			c.deps.Log.Error("control heartbeat: edges will see an old snapshot", "err", err)
		}
	}
}

// Beat confirms the published snapshot, if the database still answers: otherwise it grows old, and edges
// hand nobody over on the word of a control plane that cannot change its mind. It also saves kills that
// the disk refused and settles what has finished.
func (c *Control) Beat(ctx context.Context) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.db.version(ctx); err != nil {
		return err
	}
	c.snapshot.Store(c.Snapshot().Refreshed(c.deps.Now()))
	if err := c.saveKills(ctx); err != nil {
		return err
	}
	return c.settle(ctx)
}

func (c *Control) settle(ctx context.Context) error {
	now := c.deps.Now()
	for _, r := range c.Snapshot().Rollouts() {
		if _, due := r.Settle(now); !due {
			continue
		}
		call := Call{Rollout: r.Name, Author: Self, Reason: "the grace of finishing has passed"}
		_, _, err := c.changeLocked(ctx, call, "finish", func(r rollout.Rollout) (rollout.Rollout, error) {
			settled, _ := r.Settle(now)
			return settled, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
