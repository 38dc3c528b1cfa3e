package control

import (
	"context"
	"slices"
	"strconv"

	"crossfade.dev/crossfade/rollout"
)

// Start opens an epoch at the first stage. Settings may change ladder, control slice and segments; a
// site with few visitors starts with a control slice of 0.
func (c *Control) Start(ctx context.Context, call Call, s rollout.Settings) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "start", func(r rollout.Rollout) (rollout.Rollout, error) {
		salt, err := c.epochSalt(r)
		if err != nil {
			return r, err
		}
		return r.Start(s, salt, call.Author)
	}))
}

// Ramp widens treatment to a share, or with 0 to the next stage.
func (c *Control) Ramp(ctx context.Context, call Call, to rollout.Millionths) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "ramp", func(r rollout.Rollout) (rollout.Rollout, error) {
		return r.Ramp(to, call.Author)
	}))
}

// Approve enters the stage that another author asked for.
func (c *Control) Approve(ctx context.Context, call Call) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "approve", func(r rollout.Rollout) (rollout.Rollout, error) {
		return r.Approve(call.Author)
	}))
}

// Hold stops ramps, and withdraws what awaits approval.
func (c *Control) Hold(ctx context.Context, call Call) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "hold", rollout.Rollout.Hold))
}

// RollBack ends the epoch with nobody treated.
func (c *Control) RollBack(ctx context.Context, call Call) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "roll_back", rollout.Rollout.RollBack))
}

// Lift ends a kill. With resume the same visitors are treated again.
func (c *Control) Lift(ctx context.Context, call Call, resume bool) (rollout.Rollout, error) {
	return c.plain(c.change(ctx, call, "lift", func(r rollout.Rollout) (rollout.Rollout, error) {
		if resume {
			return r.Lift("")
		}
		salt, err := c.epochSalt(r)
		if err != nil {
			return r, err
		}
		return r.Lift(salt)
	}))
}

// Finish makes the new system final and answers what can be removed.
func (c *Control) Finish(ctx context.Context, call Call) (rollout.Rollout, []string, error) {
	r, err := c.plain(c.change(ctx, call, "finish", func(r rollout.Rollout) (rollout.Rollout, error) {
		return r.Finish(c.deps.Now(), c.cfg.FinishGrace)
	}))
	if err != nil {
		return rollout.Rollout{}, nil, err
	}
	return r, c.removable(), nil
}

// DryFinish answers what a finish would leave and what could then be removed, and changes nothing. Of
// a finished rollout it answers what can be removed now.
func (c *Control) DryFinish(name string) (rollout.Rollout, []string, error) {
	r, err := c.Rollout(name)
	if err != nil {
		return rollout.Rollout{}, nil, err
	}
	if r.State != rollout.Finished && r.State != rollout.Finishing {
		if r, err = r.Finish(c.deps.Now(), c.cfg.FinishGrace); err != nil {
			return rollout.Rollout{}, nil, err
		}
	}
	return r, c.removable(), nil
}

func (c *Control) removable() []string { return slices.Clone(c.cfg.Removable) }

// epochSalt is the salt of the rollout's next epoch.
func (c *Control) epochSalt(r rollout.Rollout) (string, error) {
	return c.salt(r.Name + "-" + strconv.FormatUint(r.Epoch+1, 10))
}

// plain drops the notes: only a kill waits for edges.
func (c *Control) plain(r rollout.Rollout, _ []*note, err error) (rollout.Rollout, error) {
	return r, err
}
