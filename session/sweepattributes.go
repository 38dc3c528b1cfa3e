package session

import (
	"context"
	"errors"
	"maps"
	"time"
)

const (
	// retentionNote is where the walk that removes attributes keeps its progress, retentionEvery how often it goes
	// round: reads have not shown them since their time was over.
	retentionNote  = "attributes/retention"
	retentionEvery = time.Hour
)

// SweepAttributes removes attributes whose retention is over from what is stored, and begins to count for those
// whose time of writing is not known. Start does it; here it is one step; more: there is work left for this process.
func (m *Manager) SweepAttributes(ctx context.Context) (more bool, err error) {
	if !m.registry.Load().AnyTimed() {
		return false, nil
	}
	w := Walk{Store: m.store, Name: retentionNote, Aim: "retention", Holder: m.holder, Again: retentionEvery, Visit: m.visitAttributes}
	_, more, err = w.Step(ctx, m.now())
	return more, err
}

func (m *Manager) visitAttributes(ctx context.Context, recs []*Record) (changed, failed int, err error) {
	rules, now := m.registry.Load(), m.now()
	for _, r := range recs {
		if !r.ViewOf.IsZero() || r.State == StateEnded || len(r.Attributes) == 0 {
			continue
		}
		next, over := maps.Clone(r.Attributes), []string(nil)
		m.complete(r)
		stamped := false
		for k, a := range next {
			switch {
			case rules.Over(k, a.Written, now):
				delete(next, k)
				over = append(over, k)
			case a.Written.IsZero() && rules.Timed(k):
				a.Written, stamped = now, true
				next[k] = a
			}
		}
		if len(over) == 0 && !stamped {
			continue
		}
		rec := r.clone()
		rec.Attributes = next
		switch _, err := m.commit(ctx, Update{rec}); {
		case errors.Is(err, ErrConflict): // its writer has done it
		case err != nil:
			return changed, failed, err
		default:
			for _, k := range over {
				rules.Expired(k)
			}
		}
		changed++
	}
	return changed, failed, nil
}

// sweepAllAttributes goes on until there is nothing left for now.
func (m *Manager) sweepAllAttributes(ctx context.Context) {
	for {
		more, err := m.SweepAttributes(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Warn("attributes whose retention is over could not be removed; it will be tried again", "error", err)
		}
		if err != nil || !more {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPause):
		}
	}
}
