package httpbridge

import (
	"context"
	"errors"
	"time"

	"crossfade.dev/crossfade/legacy"
)

var _ legacy.Sampler = (*Bridge)(nil)

type sampleRequest struct {
	Limit int `json:"limit"`
}

type sampleAnswer struct {
	Engine      string          `json:"engine"`
	Total       *int64          `json:"total"`
	Live        *int64          `json:"live"`
	Whole       bool            `json:"whole"`
	Unsupported string          `json:"unsupported"`
	Sessions    []sampleSession `json:"sessions"` // null: not the bridge's answer at all
}

type sampleSession struct {
	ID            string      `json:"id"`
	Format        string      `json:"format"`
	Problem       string      `json:"problem"`
	SignedBy      int         `json:"signed_by"`
	Size          int         `json:"size"`
	Authenticated bool        `json:"authenticated"`
	Saved         seconds     `json:"saved"`
	Expires       seconds     `json:"expires"`
	Keys          []sampleKey `json:"keys"`
}

type sampleKey struct {
	Key    string `json:"key"`
	Type   string `json:"type"`
	Odd    string `json:"odd"`
	Opaque string `json:"opaque"`
	Size   int    `json:"size"`
}

// Sample implements [legacy.Sampler].
func (b *Bridge) Sample(ctx context.Context, limit int) (legacy.SampleAnswer, error) {
	var a sampleAnswer
	if err := b.ask(ctx, "sample", sampleRequest{Limit: limit}, &a); err != nil {
		return legacy.SampleAnswer{}, err
	}
	if a.Sessions == nil || len(a.Sessions) > limit && limit > 0 {
		return legacy.SampleAnswer{}, nonsense(errors.New("no sessions, or more than were asked for"), "sample")
	}
	out := legacy.SampleAnswer{Engine: a.Engine, Total: -1, Live: -1, Whole: a.Whole, Unsupported: a.Unsupported}
	if a.Total != nil {
		out.Total = *a.Total
	}
	if a.Live != nil {
		out.Live = *a.Live
	}
	for _, s := range a.Sessions {
		if s.ID == "" || s.Format != "json" && s.Format != "pickle" && s.Format != "unreadable" {
			return legacy.SampleAnswer{}, nonsense(errors.New("a session without id or format"), "sample")
		}
		one := legacy.SampledSession{ID: s.ID, Format: s.Format, Problem: s.Problem, SignedBy: s.SignedBy, Size: s.Size,
			Authenticated: s.Authenticated, Saved: time.Time(s.Saved), Expires: time.Time(s.Expires)}
		for _, k := range s.Keys {
			one.Keys = append(one.Keys, legacy.SampledKey(k))
		}
		out.Sessions = append(out.Sessions, one)
	}
	return out, nil
}
