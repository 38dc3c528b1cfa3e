package session

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// denials are the ends that legacy has not confirmed, in memory: the edge asks on every handover.
type denials struct {
	mu       sync.Mutex
	ends     map[int64][]Lineage
	lineages sync.Map // Lineage → *atomic.Int64, the number of ends that cover it
	n        atomic.Int64
	// told are lineages that the watch said have ended: legacy may have to confirm that, or have done so.
	// They are denied until the store was asked.
	told map[Lineage]struct{}
}

func newDenials(outstanding map[int64][]Lineage) *denials {
	d := &denials{ends: map[int64][]Lineage{}, told: map[Lineage]struct{}{}}
	for id, ls := range outstanding {
		d.add(id, ls)
	}
	return d
}

func (d *denials) add(id int64, lineages []Lineage) {
	if id == 0 {
		return // legacy has done it already
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.ends[id]; ok {
		return
	}
	d.ends[id] = lineages
	d.n.Add(1)
	for _, l := range lineages {
		d.cover(l)
	}
}

// cover and uncover count what denies a lineage. The lock is held.
func (d *denials) cover(l Lineage) {
	v, _ := d.lineages.LoadOrStore(l, new(atomic.Int64))
	v.(*atomic.Int64).Add(1)
}

func (d *denials) uncover(l Lineage) {
	if v, ok := d.lineages.Load(l); ok && v.(*atomic.Int64).Add(-1) == 0 {
		d.lineages.Delete(l)
	}
}

// tell denies a lineage that another process has ended.
func (d *denials) tell(l Lineage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.told[l]; !ok {
		d.told[l] = struct{}{}
		d.cover(l)
	}
}

// noted is what is denied at a moment.
type noted struct {
	ends map[int64]struct{}
	told map[Lineage]struct{}
}

// here is taken before the store is asked what is outstanding.
func (d *denials) here() noted {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := noted{map[int64]struct{}{}, maps.Clone(d.told)}
	for id := range d.ends {
		n.ends[id] = struct{}{}
	}
	return n
}

// review takes over what the store says is outstanding, and forgets what was there before and is not any more.
// What came meanwhile stays.
func (d *denials) review(before noted, outstanding map[int64][]Lineage) {
	for id, ls := range outstanding {
		d.add(id, ls)
	}
	for id := range before.ends {
		if _, ok := outstanding[id]; !ok {
			d.remove(id)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for l := range before.told {
		if _, ok := d.told[l]; ok {
			delete(d.told, l)
			d.uncover(l)
		}
	}
}

// idle reports whether there is nothing to forget.
func (d *denials) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ends) == 0 && len(d.told) == 0
}

func (d *denials) remove(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lineages, ok := d.ends[id]
	if !ok {
		return
	}
	delete(d.ends, id)
	d.n.Add(-1)
	for _, l := range lineages {
		d.uncover(l)
	}
}

func (d *denials) has(l Lineage) bool {
	_, ok := d.lineages.Load(l)
	return ok
}

// Denied reports whether a lineage was ended here and legacy has not confirmed it: it gets no ticket,
// exchange or restore. No I/O. The end of everybody is not in it; marks speak for that.
func (m *Manager) Denied(l Lineage) bool { return m.denied.has(l) || m.condemned.has(l) }

// Outstanding is the number of ends that legacy has not confirmed. No I/O.
func (m *Manager) Outstanding() int { return int(m.denied.n.Load()) }

// PendingEnds lists ends that legacy has to be told of now, oldest first.
func (m *Manager) PendingEnds(ctx context.Context, limit int) ([]PendingEnd, error) {
	out, err := m.store.Due(ctx, m.now(), limit)
	if err != nil {
		return nil, storeTrouble(err, "read outstanding ends")
	}
	return out, nil
}

// ConfirmEnd records that legacy has done its part. Repeated it is no error.
func (m *Manager) ConfirmEnd(ctx context.Context, id int64) error {
	if _, err := m.commit(ctx, ConfirmEnd{id}); err != nil {
		return err
	}
	m.denied.remove(id)
	return nil
}

// The pauses between attempts to tell legacy: short at first, because a logout waits, and never so long
// that a legacy system that is back has to wait for it.
const (
	firstPause = 2 * time.Second
	lastPause  = 5 * time.Minute
)

// FailEnd records that an attempt failed. The next one is due after a pause that doubles with each.
func (m *Manager) FailEnd(ctx context.Context, id int64, cause string) error {
	const maxCause = 500
	if len(cause) > maxCause {
		cause = cause[:maxCause]
	}
	_, err := m.commit(ctx, FailEnd{ID: id, Cause: cause, At: m.now(), First: firstPause, Last: lastPause})
	return err
}
