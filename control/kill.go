package control

import (
	"context"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// Killed is the outcome of a kill.
type Killed struct {
	Rollout rollout.Rollout
	// InForce is how long it took until every edge in this process obeyed, or until waiting ended.
	InForce time.Duration
	// Outstanding edges have not obeyed yet. 0: the kill is in force.
	Outstanding int
}

// unsavedKill is a kill that is in force but that the disk has refused so far.
type unsavedKill struct {
	call  Call
	scope rollout.KillScope
}

// Kill sends everybody, or for a rehearsal the employees, to legacy. It does not stop when the caller
// goes away, and it does not need the disk: if the kill cannot be saved it is in force all the same,
// and the error says so.
func (c *Control) Kill(ctx context.Context, call Call, scope rollout.KillScope) (Killed, error) {
	began := c.deps.Now()
	r, notes, err := c.kill(context.WithoutCancel(ctx), call, scope)
	if err != nil && notes == nil {
		return Killed{}, err
	}
	late := c.obeyed(ctx, notes)
	return Killed{Rollout: r, InForce: c.deps.Now().Sub(began), Outstanding: late}, err
}

// kill answers non-nil notes whenever the kill is in force.
func (c *Control) kill(ctx context.Context, call Call, scope rollout.KillScope) (rollout.Rollout, []*note, error) {
	do := func(r rollout.Rollout) (rollout.Rollout, error) { return r.Kill(scope, call.Reason) }
	r, notes, err := c.change(ctx, call, "kill", do)
	if fault.CodeOf(err) != fault.Unavailable {
		return r, notes, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	now, current := c.deps.Now(), c.Snapshot()
	r, refused := findRollout(current.Rollouts(), call.Rollout)
	if refused == nil {
		r, refused = do(r)
	}
	if refused != nil {
		return rollout.Rollout{}, nil, refused
	}
	version := current.Version() + 1
	r.ChangedAt, r.ChangedBy, r.Version = now, call.Author, version
	all := current.Rollouts()
	for i := range all {
		if all[i].Name == r.Name {
			all[i] = r
		}
	}
	c.unsaved = append(c.unsaved, unsavedKill{call: call, scope: scope})
	c.owed.Add(1)
	c.deps.Log.Error("a kill is in force but could not be saved", "rollout", r.Name, "author", call.Author, "err", err)
	notes = c.publish(rollout.NewSnapshot(version, now, all, current.RevokedMagic()))
	return r, notes, fault.Wrap(err, fault.Unavailable, "the kill is in force, but it could not be saved").
		WithHint("free space on the disk of %s and it is saved by itself; a restart before that forgets the kill", c.cfg.Path)
}

// saveKills writes kills that the disk refused. The caller holds writing.
func (c *Control) saveKills(ctx context.Context) error {
	for len(c.unsaved) > 0 {
		k := c.unsaved[0]
		_, _, err := c.changeLocked(ctx, k.call, "kill", func(r rollout.Rollout) (rollout.Rollout, error) {
			return r.Kill(k.scope, k.call.Reason)
		})
		if err != nil {
			return err
		}
		c.unsaved = c.unsaved[1:]
		c.owed.Add(-1)
		c.deps.Log.Info("a kill that could not be saved is saved now", "rollout", k.call.Rollout)
	}
	return nil
}
