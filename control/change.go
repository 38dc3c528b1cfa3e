package control

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

// Self is the author of what control does by itself.
const Self = "crossfade"

// Call says who changes which rollout, and why.
type Call struct {
	Rollout string
	Author  string
	Reason  string
}

// Longest author and reason, in bytes: they are read in lists.
const (
	maxAuthor = 200
	maxReason = 1000
)

func (c Call) check() error {
	if err := checkLine("author", c.Author, maxAuthor, `say who you are with --author`); err != nil {
		return err
	}
	return checkLine("reason", c.Reason, maxReason, `say why with --reason: it is kept in the changelog`)
}

func checkLine(what, s string, limit int, hint string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fault.New(fault.Invalid, "a change needs its %s", what).WithHint("%s", hint)
	case len(s) > limit:
		return fault.New(fault.Invalid, "the %s is longer than %d bytes", what, limit).WithHint("put the story into a ticket and name it here")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fault.New(fault.Invalid, "the %s must be one line of text", what).WithHint("leave out line breaks and control characters")
	}
	return nil
}

// step is a transition of one rollout.
type step func(rollout.Rollout) (rollout.Rollout, error)

// change makes one transition: state, changelog row and version in one transaction, then the snapshot.
func (c *Control) change(ctx context.Context, call Call, action string, do step) (rollout.Rollout, []*note, error) {
	if err := call.check(); err != nil {
		return rollout.Rollout{}, nil, err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.saveKills(ctx); err != nil {
		return rollout.Rollout{}, nil, err
	}
	return c.changeLocked(ctx, call, action, do)
}

func (c *Control) changeLocked(ctx context.Context, call Call, action string, do step) (after rollout.Rollout, _ []*note, err error) {
	notes, err := c.commit(ctx, func(t *tx) error {
		before, err := t.rollout(ctx, call.Rollout)
		if err != nil {
			return err
		}
		if after, err = do(before); err != nil {
			return err
		}
		after.ChangedAt, after.ChangedBy, after.Version = t.now, call.Author, t.version
		if err := t.save(ctx, after); err != nil {
			return err
		}
		return t.log(ctx, changelog.Change{
			Author: call.Author, Reason: call.Reason, Action: action, Subject: call.Rollout,
			Detail: describe(before, after), Epoch: after.Epoch,
		})
	})
	if err != nil {
		return rollout.Rollout{}, nil, err
	}
	return after, notes, nil
}

// commit runs a change in a transaction and publishes the state that it leaves. The caller holds writing.
func (c *Control) commit(ctx context.Context, change func(*tx) error) ([]*note, error) {
	now := c.deps.Now()
	st, err := c.db.update(ctx, now, c.Snapshot().Version(), change)
	if err != nil {
		return nil, err
	}
	return c.publish(st.snapshot(now)), nil
}

func (s state) snapshot(madeAt time.Time) *rollout.Snapshot {
	return rollout.NewSnapshot(s.version, madeAt, s.rollouts, s.revoked)
}

// describe is the changelog's line for people.
func describe(before, after rollout.Rollout) string {
	words := []string{string(before.State) + " " + share(before), "→", string(after.State) + " " + share(after)}
	if after.Pending != rollout.NoStage {
		words = append(words, "waiting for", after.PendingShare().String())
	}
	if after.Killed != "" {
		words = append(words, "killed for", string(after.Killed))
	}
	return strings.Join(words, " ")
}

func share(r rollout.Rollout) string {
	if r.Employees > r.Treatment {
		return r.Treatment.String() + " (employees " + r.Employees.String() + ")"
	}
	return r.Treatment.String()
}
