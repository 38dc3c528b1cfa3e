package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

// patience is how long a watch may take to tell, on a slow machine. Nothing waits that long but a failure.
const patience = 30 * time.Second

// RunWatcher checks a store against the contract of session.Watcher. open gives two stores on one fresh
// database, as two processes have them, that are closed when their test ends.
func RunWatcher(t *testing.T, open func(testing.TB) (here, there session.Store)) {
	for name, test := range map[string]func(*testing.T, *watched){
		"commits":   testWatchCommits,
		"alive":     testWatchAlive,
		"order":     testWatchOrder,
		"many":      testWatchMany,
		"not ready": testWatchNotReady,
		"over":      testWatchOver,
	} {
		t.Run(name, func(t *testing.T) {
			here, there := open(t)
			test(t, newWatched(t, here, there))
		})
	}
}

// watched writes down what the watch of one store tells while another writes.
type watched struct {
	t           testing.TB
	here, there session.Store
	stop        context.CancelFunc
	ended       chan error

	mu      sync.Mutex
	changed chan struct{} // closed at each call
	began   int
	refuse  int // so many calls of Began fail first
	alive   time.Time
	over    bool // Watch has returned
	records map[session.ID][]uint64
	keys    map[session.KeyHash]bool
	ends    map[session.Lineage]bool
	marks   map[session.DrawnMark]bool
}

func newWatched(t testing.TB, here, there session.Store) *watched {
	return &watched{
		t: t, here: here, there: there, ended: make(chan error, 1), changed: make(chan struct{}),
		records: map[session.ID][]uint64{}, keys: map[session.KeyHash]bool{}, ends: map[session.Lineage]bool{},
		marks: map[session.DrawnMark]bool{},
	}
}

// begin starts the watch and waits until it has begun.
func (w *watched) begin() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() {
		err := w.here.(session.Watcher).Watch(ctx, w)
		w.call(func() { w.over = true })
		w.ended <- err
	}()
	w.t.Cleanup(stop)
	w.await("the watch to begin", func() bool { return w.began > 0 })
}

func (w *watched) Now() time.Time { return time.Now() }

func (w *watched) call(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		w.t.Error("the watch calls after it returned")
		return
	}
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watched) Began(ctx context.Context) (err error) {
	if _, err := w.here.Marks(ctx); err != nil {
		return err
	}
	w.call(func() {
		if w.refuse > 0 {
			w.refuse--
			err = errors.New("not ready")
			return
		}
		w.began++
	})
	return err
}

func (w *watched) Changed(c session.Change) {
	w.call(func() {
		for _, r := range c.Records {
			w.records[r.ID] = append(w.records[r.ID], r.Version)
		}
		for _, k := range c.Keys {
			w.keys[k] = true
		}
		for _, l := range c.Lineages {
			w.ends[l] = true
		}
		for _, m := range c.Marks {
			w.marks[m] = true
		}
	})
}

func (w *watched) Alive(asOf time.Time) {
	w.call(func() {
		if w.began == 0 {
			w.t.Error("alive before it began")
		}
		if asOf.After(w.alive) {
			w.alive = asOf
		}
	})
}

func (w *watched) Lost(error) { w.call(func() {}) }

// await waits until something holds; the lock is held while it looks.
func (w *watched) await(what string, holds func() bool) {
	w.t.Helper()
	late := time.After(patience)
	for {
		w.mu.Lock()
		ok, changed := holds(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// told waits until the watch vouches for all that was answered before this call, and then expects what holds.
func (w *watched) told(what string, holds func() bool) {
	w.t.Helper()
	since := w.Now()
	w.await("a sign of life", func() bool { return !w.alive.Before(since) })
	w.mu.Lock()
	defer w.mu.Unlock()
	if !holds() {
		w.t.Fatalf("not told in time: %s", what)
	}
}

// knows reports whether a version of a record was told, or one that nobody knows.
func (w *watched) knows(id session.ID, version uint64) bool {
	return slices.ContainsFunc(w.records[id], func(v uint64) bool { return v == 0 || v >= version })
}

func testWatchCommits(t *testing.T, w *watched) {
	w.begin()
	for name, s := range map[string]session.Store{"another process's": w.there, "its own": w.here} {
		n := byte(len(name))
		l := session.Lineage(id(n))
		r := record(n)
		r.Subject = name
		t.Run(name+" commits are told before it vouches for them", func(t *testing.T) {
			commit(t, s, session.Insert{Record: r})
			w.told("an insert", func() bool { return w.knows(id(n), 1) })
			commit(t, s, session.Update{Record: next(r)})
			w.told("an update", func() bool { return w.knows(id(n), 2) })
			h := session.KeyHash{n}
			commit(t, s, session.PutKey{Key: session.Key{Hash: h, Lineage: l, Keep: r.ExpiresAt, Version: 1}})
			w.told("a key", func() bool { return w.keys[h] })
			commit(t, s, session.EndLineage{Lineage: l, At: epoch, Keep: epoch})
			w.told("the end of a lineage", func() bool { return w.ends[l] && w.knows(id(n), 3) })
			blank := session.Lineage{1: n}
			commit(t, s, session.EndLineage{Lineage: blank, At: epoch, Keep: epoch})
			w.told("the end of a guest without a record", func() bool { return w.ends[blank] })
			one, two := record(n+1), record(n+2)
			one.Subject, two.Subject = name, name
			commit(t, s, session.Insert{Record: one}, session.Insert{Record: two})
			of := commit(t, s, session.EndSubject{
				Subject: name, At: epoch, Keep: epoch, Except: two.ID, ExceptVersion: 1, ExceptLineage: two.Lineage,
			}).Mark
			w.told("the end of a subject", func() bool {
				return w.marks[session.DrawnMark{Mark: of, Subject: name}] && w.ends[one.Lineage] && w.knows(one.ID, 2) && w.knows(two.ID, 2)
			})
			all := commit(t, s, session.EndEverybody{At: epoch}).Mark
			w.told("the end of everybody", func() bool { return w.marks[session.DrawnMark{Mark: all}] })
		})
	}
}

func testWatchAlive(t *testing.T, w *watched) {
	w.begin()
	t.Run("signs of life keep coming while nothing is written", func(t *testing.T) {
		for range 5 {
			w.told("", func() bool { return true })
		}
	})
	t.Run("and are never ahead of the time", func(t *testing.T) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.alive.After(time.Now()) {
			t.Fatal("alive as of a time to come")
		}
	})
}

func testWatchOrder(t *testing.T, w *watched) {
	w.begin()
	r := record(1)
	commit(t, w.there, session.Insert{Record: r})
	for i := range 100 {
		r = next(r)
		commit(t, []session.Store{w.here, w.there}[i%2], session.Update{Record: r})
	}
	w.told("the last of many updates", func() bool { return w.knows(r.ID, r.Version) })
	if got := w.records[r.ID]; !slices.IsSorted(slices.Compact(got)) && !slices.Contains(got, 0) {
		t.Fatalf("told out of order: %v", got)
	}
}

// testWatchMany: one commit may mean more than one message of a store can hold.
func testWatchMany(t *testing.T, w *watched) {
	const n = 2000
	nth := func(i int) session.ID { return session.ID{0: 1, 1: byte(i >> 8), 2: byte(i), 15: byte(i)} }
	var ops []session.Op
	for i := range n {
		r := record(1)
		r.ID, r.Lineage, r.Subject = nth(i), session.Lineage(nth(i)), fmt.Sprintf("%0200d", 7)
		if ops = append(ops, session.Insert{Record: r}); len(ops) == 500 {
			commit(t, w.there, ops...)
			ops = nil
		}
	}
	w.begin()
	commit(t, w.there, session.EndSubject{Subject: fmt.Sprintf("%0200d", 7), At: epoch, Keep: epoch})
	w.told("an end of many", func() bool {
		for i := range n {
			if !w.ends[session.Lineage(nth(i))] || !w.knows(nth(i), 2) {
				return false
			}
		}
		return true
	})
}

func testWatchNotReady(t *testing.T, w *watched) {
	w.refuse = 2
	w.begin()
	commit(t, w.there, session.Insert{Record: record(1)})
	w.told("an insert", func() bool { return w.knows(id(1), 1) })
}

func testWatchOver(t *testing.T, w *watched) {
	w.begin()
	w.stop()
	select {
	case err := <-w.ended:
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a watch that was stopped says %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a watch that was stopped goes on")
	}
	commit(t, w.there, session.Insert{Record: record(1)})
	t.Run("and can be started anew", func(t *testing.T) {
		again := newWatched(t, w.here, w.there)
		again.begin()
		commit(t, w.there, session.Insert{Record: record(2)})
		again.told("an insert", func() bool { return again.knows(id(2), 1) })
	})
}
