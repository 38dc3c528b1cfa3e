package session

import (
	"sync"
	"sync/atomic"
)

// condemned are lineages that were to end while the store did not answer. The end was not written, and
// whoever asked for it was told so and asks again; but this process will not serve from memory what it was
// told to end.
type condemned struct {
	n        atomic.Int64 // nearly always 0: then no request pays for this
	lineages sync.Map     // Lineage → struct{}
}

// maxCondemned bounds the memory of an outage; beyond it the callers' own retries are what is left.
const maxCondemned = 100_000

func (c *condemned) add(l Lineage) {
	if c.n.Load() >= maxCondemned {
		return
	}
	if _, there := c.lineages.LoadOrStore(l, struct{}{}); !there {
		c.n.Add(1)
	}
}

func (c *condemned) remove(l Lineage) {
	if _, there := c.lineages.LoadAndDelete(l); there {
		c.n.Add(-1)
	}
}

func (c *condemned) has(l Lineage) bool {
	if c.n.Load() == 0 {
		return false
	}
	_, there := c.lineages.Load(l)
	return there
}

// condemn remembers what an end that failed was about, as far as memory knows it; done forgets it again
// once it is written. Ends of a subject and of everybody are marks, which only the store can draw.
func (m *Manager) condemn(e End, done bool) {
	l := e.Lineage
	if !e.ID.IsZero() {
		l = Lineage(e.ID) // that of a session that was born here
		if cached, ok := m.records.get(e.ID); ok && cached.rec != nil {
			l = cached.rec.Lineage
		}
	}
	switch {
	case l.IsZero():
	case done:
		m.condemned.remove(l)
	default:
		m.condemned.add(l)
	}
}
