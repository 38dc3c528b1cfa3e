package session

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// rate bounds how often something happens per network, in memory that does not depend on how many there are: each
// network has two of rateCells numbers, shared with others by chance, and is over its rate only if both say so.
type rate struct {
	every time.Duration // one in so long; 0: no bound
	burst time.Duration // how far ahead of that a network may be
	seed  maphash.Seed

	mu    sync.Mutex
	cells []time.Duration // per cell, when what was taken is paid back, counted from begin
	begin time.Time
}

const (
	// rateCells take 512 KB. With 10000 networks at work at once, one in 50 shares both of its cells with busier ones.
	rateCells = 1 << 16
	// rateBurst is how many minutes' worth may come at once: a gateway's users come in at nine o'clock.
	rateBurst = 2
)

func newRate(perMinute int, now time.Time) *rate {
	r := &rate{seed: maphash.MakeSeed(), begin: now}
	if perMinute > 0 {
		r.every = time.Minute / time.Duration(perMinute)
		r.burst = rateBurst * time.Minute
		r.cells = make([]time.Duration, rateCells)
	}
	return r
}

// take counts one, or refuses it and says when to try again. What nobody knows the network of is not counted.
func (r *rate) take(network netip.Prefix, now time.Time, what string) error {
	if r.every == 0 || !network.IsValid() {
		return nil
	}
	text, _ := network.MarshalBinary() // never fails
	h := maphash.Bytes(r.seed, text)
	first, second := uint32(h)%rateCells, uint32(h>>32)%rateCells
	r.mu.Lock()
	defer r.mu.Unlock()
	at := now.Sub(r.begin)
	paid := max(min(r.cells[first], r.cells[second]), at) + r.every
	if wait := paid - at - r.burst; wait > 0 {
		wait = (wait + time.Second - 1).Truncate(time.Second)
		return fault.New(fault.Exhausted, "too many %s from network %s", what, network).
			WithHint("try again in %s; if that network is a gateway with many visitors, raise session.rate", wait)
	}
	r.cells[first], r.cells[second] = max(r.cells[first], paid), max(r.cells[second], paid)
	return nil
}
