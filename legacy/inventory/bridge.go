package inventory

import (
	"context"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy"
)

// perCall is how many sessions one call of the bridge asks for: the legacy application answers it between its visitors.
const perCall = 50

// Bridged samples through the bridge: whatever the legacy application can read itself.
type Bridged struct{ sampler legacy.Sampler }

// ThroughBridge makes a source of a bridge.
func ThroughBridge(s legacy.Sampler) *Bridged { return &Bridged{sampler: s} }

// Close does nothing: the bridge is its owner's.
func (b *Bridged) Close() {}

// Sample implements [Source].
func (b *Bridged) Sample(ctx context.Context, plan *Plan) (Store, error) {
	store := Store{Kind: "bridge", Name: "the legacy application", Rows: -1, Live: -1}
	for stale := 0; !plan.Done() && stale < 5; stale++ {
		limit := min(perCall, max(1, plan.Limit))
		a, err := b.sampler.Sample(ctx, limit)
		if err != nil {
			return store, err
		}
		store.Name, store.Live = "the legacy application, engine "+a.Engine, a.Live
		store.Rows, store.Exact = a.Total, a.Total >= 0
		if a.Unsupported != "" {
			return store, fault.New(fault.Precondition, "%s", a.Unsupported).
				WithHint("crossfade legacy inventory --help tells which stores can be read directly")
		}
		for _, s := range a.Sessions {
			if !plan.Seen(s.ID) {
				stale = -1
				plan.Give(fromBridge(s))
			}
		}
		if a.Whole {
			store.Whole = true
			plan.tell()
			return store, nil
		}
		if err := plan.Pause(ctx, limit); err != nil {
			return store, err
		}
	}
	return store, nil
}

func fromBridge(s legacy.SampledSession) Session {
	out := Session{ID: s.ID, Format: Format(s.Format), Problem: s.Problem, Key: s.SignedBy, Size: s.Size,
		Authenticated: s.Authenticated, Saved: s.Saved, Expires: s.Expires}
	for _, k := range s.Keys {
		out.Keys = append(out.Keys, Key{Name: k.Key, Type: k.Type, JSON: k.Odd == "", Odd: k.Odd, Opaque: k.Opaque, Size: k.Size})
	}
	return out
}
