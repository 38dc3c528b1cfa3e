package session

import (
	"sync"

	"github.com/maypok86/otter/v2"
)

// guarded is a bounded cache that a slow read cannot poison: what was read before a write is not put in
// after it. Reading takes no lock. A write bumps the sequence of its key's shard; a fill brings the
// sequence that it saw before it went to the store and is dropped when that has changed.
type guarded[K comparable, V any] struct {
	c     *otter.Cache[K, V]
	shard func(K) byte
	locks [256]struct {
		sync.Mutex
		seq uint64
	}
}

func newGuarded[K comparable, V any](size int, shard func(K) byte) *guarded[K, V] {
	return &guarded[K, V]{c: otter.Must(&otter.Options[K, V]{MaximumSize: size}), shard: shard}
}

func (g *guarded[K, V]) get(k K) (V, bool) { return g.c.GetIfPresent(k) }

// begin is called before the store is read.
func (g *guarded[K, V]) begin(k K) uint64 {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	return l.seq
}

// fill puts in what was read, unless something of this shard was written since begin.
func (g *guarded[K, V]) fill(k K, v V, seq uint64) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	if l.seq == seq {
		g.c.Set(k, v)
	}
}

// put puts in what was written, and stops every read under way. seq is that of begin before the write:
// if another write of this shard was answered meanwhile, nobody here knows which came last, and the
// next reader asks the store.
func (g *guarded[K, V]) put(k K, v V, seq uint64) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	if l.seq == seq {
		g.c.Set(k, v)
	} else {
		g.c.Invalidate(k)
	}
	l.seq++
}

// drop forgets a key, and every read of it that is under way.
func (g *guarded[K, V]) drop(k K) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	l.seq++
	g.c.Invalidate(k)
}

// settle puts in what holds whatever a read under way finds.
func (g *guarded[K, V]) settle(k K, v V) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	l.seq++
	g.c.Set(k, v)
}

// outdate stops every read of a key that is under way, and forgets what is in unless it is current. It
// answers what it forgot.
func (g *guarded[K, V]) outdate(k K, current func(V) bool) (old V) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	l.seq++
	if v, ok := g.c.GetIfPresent(k); ok && !current(v) {
		g.c.Invalidate(k)
		return v
	}
	return old
}

// dropAll forgets everything, and every read that is under way.
func (g *guarded[K, V]) dropAll() {
	for i := range g.locks {
		g.locks[i].Lock()
		g.locks[i].seq++
	}
	g.c.InvalidateAll()
	for i := range g.locks {
		g.locks[i].Unlock()
	}
}

// swap replaces a value by one that needed no write of its own, if next says so.
func (g *guarded[K, V]) swap(k K, next func(old V) (V, bool)) {
	l := &g.locks[g.shard(k)]
	l.Lock()
	defer l.Unlock()
	if old, ok := g.c.GetIfPresent(k); ok {
		if v, yes := next(old); yes {
			g.c.Set(k, v)
		}
	}
}
