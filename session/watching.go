package session

import (
	"context"
	"time"
)

const (
	// rewatchFirst and rewatchLast are the pauses before a watch that gave up is begun again.
	rewatchFirst = time.Second
	rewatchLast  = time.Minute
	// deniedEvery is how late a process forgets that legacy has yet to confirm an end of another process.
	deniedEvery = 10 * time.Second
)

// Watch is how a process stands to the store that it shares with others.
type Watch struct {
	Shared bool      // several processes write the store
	Alive  bool      // what this one remembers may be believed; otherwise it asks the store each time
	AsOf   time.Time // everything that was answered before has taken effect here; zero: unknown
}

// Watch says how this process stands to a shared store. No I/O.
func (m *Manager) Watch() Watch {
	if m.watcher == nil {
		return Watch{Alive: true}
	}
	at := m.trust.at()
	return Watch{Shared: true, Alive: younger(at, m.clock(), m.cfg.CacheFor), AsOf: at}
}

// keepWatch has the store tell what others do, until ctx ends.
func (m *Manager) keepWatch(ctx context.Context) {
	for pause := rewatchFirst; ; pause = min(2*pause, rewatchLast) {
		err := m.watcher.Watch(ctx, watching{m})
		if ctx.Err() != nil {
			return
		}
		m.log.Error("the session store cannot be watched; each request asks it instead", "error", err, "again_in", pause)
		m.obs().WatchLost()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// watching is what a manager does with what it is told.
type watching struct{ m *Manager }

// Now is the manager's clock.
func (w watching) Now() time.Time { return w.m.clock() }

// Began forgets what was cached before, and with it every read under way: nobody will tell whether it still
// holds. Marks and outstanding ends, which are in memory as a whole, are read again.
func (w watching) Began(ctx context.Context) error {
	m, begun := w.m, w.m.clock()
	m.records.dropAll()
	m.legacy.dropAll()
	m.ended.dropAll()
	state, err := m.store.Marks(ctx)
	if err != nil {
		return storeTrouble(err, "read revocation marks")
	}
	m.marks.learn(state)
	if err := m.reviewDenied(ctx); err != nil {
		return err
	}
	m.trust.vouch(begun)
	m.log.Info("the session store is watched: what other processes change is told")
	return nil
}

// Changed lets what others did take effect. Records come before marks: who finds the mark of an end that
// spared one session should find that one's new record.
func (w watching) Changed(c Change) {
	m := w.m
	for _, r := range c.Records {
		if old := m.records.outdate(r.ID, func(e *entry) bool { return r.Version != 0 && e.rec != nil && e.rec.Version >= r.Version }); old != nil {
			m.tellWritten(old, r.Version)
		}
	}
	for _, h := range c.Keys {
		m.legacy.drop(h)
	}
	for _, l := range c.Lineages {
		m.denied.tell(l)
		m.ended.settle(l, known[bool]{true, m.clock()})
		m.records.drop(ID(l)) // an unwritten guest of that lineage
	}
	for _, d := range c.Marks {
		m.marks.raise(d.Mark, d.Subject)
	}
}

// tellWritten tells the listener of a session that this process has served and another has written since.
// Whether its data changed is not known here; the listener finds out.
func (m *Manager) tellWritten(old *entry, version uint64) {
	if old.rec == nil || old.rec.Kind != Authenticated || old.rec.State != StateLive || !old.rec.ViewOf.IsZero() {
		return
	}
	if f := m.onWrite.Load(); f != nil {
		s := old.rec.Session
		s.Version = max(version, s.Version)
		(*f)(&s)
	}
}

// Alive vouches for memory as of a time. How old it had become until then is how late an end of another
// process can have taken effect here.
func (w watching) Alive(asOf time.Time) {
	before := w.m.trust.vouch(asOf)
	if !before.IsZero() && asOf.After(before) {
		w.m.obs().RevocationLag(w.m.clock().Sub(before))
	}
}

// Lost says so. Memory is believed until the bound has passed, as if the sign of life were late.
func (w watching) Lost(cause error) {
	w.m.log.Warn("the watch of the session store is lost; past the bound each request asks the store", "error", cause)
	w.m.obs().WatchLost()
}

// reviewDenied replaces the deny list by what the store says is outstanding.
func (m *Manager) reviewDenied(ctx context.Context) error {
	before := m.denied.here()
	out, err := m.store.Outstanding(ctx)
	if err != nil {
		return storeTrouble(err, "read outstanding ends")
	}
	m.denied.review(before, out)
	return nil
}

// forgetConfirmed is reviewDenied from time to time, when there is something to forget.
func (m *Manager) forgetConfirmed(ctx context.Context) {
	if m.denied.idle() {
		return
	}
	if err := m.reviewDenied(ctx); err != nil && ctx.Err() == nil {
		m.log.Warn("outstanding ends could not be read; it will be tried again", "error", err)
	}
}
