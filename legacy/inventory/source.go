package inventory

import (
	"context"
	"math/rand/v2"
	"time"
)

// Store says what was sampled.
type Store struct {
	Kind string `json:"kind"` // bridge, db, cached_db, cache, file
	Name string `json:"name"` // for people, without secrets
	// Rows is how many sessions there are, live or not; -1: not known. Exact is false for an estimate.
	Rows  int64 `json:"rows"`
	Exact bool  `json:"exact"`
	// Live is how many of them are live; -1: not known.
	Live int64 `json:"live"`
	// Whole holds if every live session was read: then no figure is an estimate.
	Whole bool `json:"whole"`
	// Notes are what the reader of the report should know about how the sample was taken.
	Notes []string `json:"notes,omitempty"`
}

// Source is a store that can be sampled. It changes nothing in the store.
type Source interface {
	// Sample chooses sessions at random, so that each is as likely as any other whatever it holds, and gives each at most once
	// to plan.Take, expired ones too, until plan.Limit live ones were taken or there are no more. What was taken before an error counts.
	Sample(ctx context.Context, plan *Plan) (Store, error)
	Close()
}

// Plan is how much to read, and how fast.
type Plan struct {
	Limit int // live sessions
	Rate  int // sessions read per second; 0: as fast as it goes
	Now   time.Time
	Rand  *rand.Rand
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told how many were read, live or not, after each batch.
	Progress func(read int)
	// Take gets what was read.
	Take func(Session)

	seen map[string]bool
	live int
	read int
}

// Most is how many sessions may be read, live or not, to find the live ones.
func (p *Plan) Most() int { return 10*p.Limit + 1000 }

// Done reports whether enough was read.
func (p *Plan) Done() bool { return p.live >= p.Limit || p.read >= p.Most() }

// Nothing reports whether nothing was found.
func (p *Plan) Nothing() bool { return p.read == 0 }

// Seen reports whether a session was given before, and notes it.
func (p *Plan) Seen(id string) bool {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	if p.seen[id] {
		return true
	}
	p.seen[id] = true
	return false
}

// Give hands a session on. Whoever reads calls Seen first.
func (p *Plan) Give(s Session) {
	p.read++
	if s.liveAt(p.Now) {
		p.live++
	}
	p.Take(s)
}

// Pause keeps to the rate after a batch of n.
func (p *Plan) Pause(ctx context.Context, n int) error {
	p.tell()
	if p.Rate <= 0 || p.Done() {
		return ctx.Err()
	}
	return p.Sleep(ctx, time.Duration(n)*time.Second/time.Duration(p.Rate))
}

func (p *Plan) tell() {
	if p.Progress != nil {
		p.Progress(p.read)
	}
}

// Sleep waits for d or for the end of ctx.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// liveAt holds for a session that has not expired.
func (s Session) liveAt(now time.Time) bool { return s.Expires.IsZero() || s.Expires.After(now) }

// Letters are what session keys are made of.
const Letters = "abcdefghijklmnopqrstuvwxyz0123456789"

// RandomKey is where a run of keys may begin.
func (p *Plan) RandomKey() string {
	var b [12]byte
	for i := range b {
		b[i] = Letters[p.Rand.IntN(len(Letters))]
	}
	return string(b[:])
}
