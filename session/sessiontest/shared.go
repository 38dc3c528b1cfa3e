package sessiontest

import (
	"context"
	"errors"
	"sync"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Shared makes a store that one process writes one that several share: each [Node] of it is a connection with
// a watch of its own, that a test cuts, delays and repeats. It is what sessions at several edges are tested with
// where no database server is the point.
type Shared struct {
	mu    sync.Mutex
	store session.Store
	log   []session.Change // every commit, in order
}

// Share shares a store.
func Share(store session.Store) *Shared { return &Shared{store: store} }

// Node is one process's connection. It is a session.Store, a session.Watcher and a session.Judge.
type Node struct {
	session.Store
	s   *Shared
	now func() time.Time
	// Slow, if set, is called with the name of a read after the store has answered and before the caller is told.
	Slow func(read string)

	mu      sync.Mutex
	w       session.Watching
	joined  chan struct{} // closed when w is there
	began   bool
	at      int  // so much of the log was told
	deaf    bool // packets of the watch are dropped
	down    bool // so are those of reads and writes
	reads   int
	pulsing time.Duration
}

// Node opens a connection. now is the clock of the process that it belongs to.
func (s *Shared) Node(now func() time.Time) *Node {
	return &Node{Store: s.store, s: s, now: now, joined: make(chan struct{})}
}

// Pulse makes the node tell by itself, so often. Before it is called nothing is told but by Tell.
func (n *Node) Pulse(every time.Duration) *Node { n.pulsing = every; return n }

// Joined waits until a watch has come.
func (n *Node) Joined() {
	n.mu.Lock()
	joined := n.joined
	n.mu.Unlock()
	<-joined
}

// Deafen cuts the watch without closing it; or mends it.
func (n *Node) Deafen(deaf bool) { n.set(&n.deaf, deaf) }

// Cut makes the store unreachable for reads and writes, or reachable.
func (n *Node) Cut(down bool) { n.set(&n.down, down) }

func (n *Node) set(what *bool, to bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*what = to
}

// Reads is how often the store was asked.
func (n *Node) Reads() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reads
}

// Watch is session.Watcher's.
func (n *Node) Watch(ctx context.Context, w session.Watching) error {
	n.mu.Lock()
	n.w, n.began = w, false
	close(n.joined)
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.w, n.joined = nil, make(chan struct{})
	}()
	if n.pulsing == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(n.pulsing)
	defer tick.Stop()
	for {
		n.Tell(ctx, n.now())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Tell begins the watch if it has not begun, tells what is new and gives a sign of life as of a time that must
// not be ahead: what a connection does that works. Over a cut one nothing comes. It reports whether it did.
func (n *Node) Tell(ctx context.Context, asOf time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w == nil || n.deaf {
		return false
	}
	if !n.began {
		n.at = n.s.length()
		n.mu.Unlock() // it reads
		err := n.w.Began(ctx)
		n.mu.Lock()
		if err != nil {
			return false
		}
		n.began = true
	}
	n.changes(n.at)
	n.w.Alive(asOf)
	return true
}

// Changes tells what is new, without a sign of life, and the last again that were told before.
func (n *Node) Changes(again int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w != nil && n.began && !n.deaf {
		n.changes(max(0, n.at-again))
	}
}

func (n *Node) changes(from int) {
	for _, c := range n.s.since(from) {
		n.w.Changed(c)
		from++
	}
	n.at = max(n.at, from)
}

// Close loses the connection as one that is closed; the next Tell begins anew.
func (n *Node) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w != nil && n.began {
		n.began = false
		n.w.Lost(errors.New("connection closed"))
	}
}

func (s *Shared) length() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

func (s *Shared) since(at int) []session.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log[min(at, len(s.log)):]
}

// Commit writes, and puts down what everybody is to be told before it answers.
func (n *Node) Commit(ctx context.Context, ops ...session.Op) (session.Result, error) {
	if err := n.ask(); err != nil {
		return session.Result{}, err
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	res, err := n.s.store.Commit(ctx, ops...)
	if err == nil {
		n.s.log = append(n.s.log, n.s.change(ctx, ops, res))
	}
	return res, err
}

// change is what a commit means.
func (s *Shared) change(ctx context.Context, ops []session.Op, res session.Result) (c session.Change) {
	stored := func(id session.ID) {
		if r, err := s.store.Head(ctx, id); err == nil && r != nil {
			c.Records = append(c.Records, session.Stored{ID: id, Version: r.Version})
		}
	}
	c.Lineages = res.Lineages
	for _, op := range ops {
		switch op := op.(type) {
		case session.Insert:
			stored(op.Record.ID)
		case session.Update:
			stored(op.Record.ID)
		case session.PutKey:
			c.Keys = append(c.Keys, op.Key.Hash)
		case session.EndSubject:
			c.Marks = append(c.Marks, session.DrawnMark{Mark: res.Mark, Subject: op.Subject})
			stored(op.Except)
		case session.EndEverybody:
			c.Marks = append(c.Marks, session.DrawnMark{Mark: res.Mark})
		}
	}
	for _, r := range res.Records {
		stored(r.ID)
	}
	return c
}

func (n *Node) ask() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reads++
	if n.down {
		return fault.New(fault.Unavailable, "the store is not reached")
	}
	return nil
}

// asked is one read: refused over a cut connection, and slow if a test wants it.
func asked[T any](n *Node, name string, read func() (T, error)) (out T, err error) {
	if err := n.ask(); err != nil {
		return out, err
	}
	out, err = read()
	if n.Slow != nil {
		n.Slow(name)
	}
	return out, err
}

// Head is session.Store's, over the connection.
func (n *Node) Head(ctx context.Context, id session.ID) (*session.Record, error) {
	return asked(n, "head", func() (*session.Record, error) { return n.Store.Head(ctx, id) })
}

// Full is session.Store's.
func (n *Node) Full(ctx context.Context, id session.ID) (*session.Record, error) {
	return asked(n, "full", func() (*session.Record, error) { return n.Store.Full(ctx, id) })
}

// Generations is session.Store's.
func (n *Node) Generations(ctx context.Context, l session.Lineage) ([]*session.Record, error) {
	return asked(n, "generations", func() ([]*session.Record, error) { return n.Store.Generations(ctx, l) })
}

// Ended is session.Store's.
func (n *Node) Ended(ctx context.Context, l session.Lineage) (bool, error) {
	return asked(n, "ended", func() (bool, error) { return n.Store.Ended(ctx, l) })
}

// Key is session.Store's.
func (n *Node) Key(ctx context.Context, hashes ...session.KeyHash) (*session.Key, error) {
	return asked(n, "key", func() (*session.Key, error) { return n.Store.Key(ctx, hashes...) })
}

// Marks is session.Store's.
func (n *Node) Marks(ctx context.Context) (session.Marks, error) {
	return asked(n, "marks", func() (session.Marks, error) { return n.Store.Marks(ctx) })
}

// Outstanding is session.Store's.
func (n *Node) Outstanding(ctx context.Context) (map[int64][]session.Lineage, error) {
	return asked(n, "outstanding", func() (map[int64][]session.Lineage, error) { return n.Store.Outstanding(ctx) })
}

// Touch is session.Store's.
func (n *Node) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	if err := n.ask(); err != nil {
		return err
	}
	return n.Store.Touch(ctx, touches, keys)
}

// Judged is session.Judge's: of one moment, because no commit runs meanwhile.
func (n *Node) Judged(ctx context.Context, id session.ID, _ string) (session.Judged, error) {
	return asked(n, "judged", func() (got session.Judged, err error) {
		n.s.mu.Lock()
		defer n.s.mu.Unlock()
		if got.Record, err = n.Store.Head(ctx, id); err != nil {
			return got, err
		}
		subject := ""
		if got.Record != nil {
			subject = got.Record.Subject
		} else if got.Ended, err = n.Store.Ended(ctx, session.Lineage(id)); err != nil {
			return got, err
		}
		got.Marks, err = n.against(ctx, subject)
		return got, err
	})
}

// Against is session.Judge's.
func (n *Node) Against(ctx context.Context, subject string) (session.Marks, error) {
	return asked(n, "against", func() (session.Marks, error) { return n.against(ctx, subject) })
}

func (n *Node) against(ctx context.Context, subject string) (session.Marks, error) {
	all, err := n.Store.Marks(ctx)
	got := session.Marks{Sequence: all.Sequence, Global: all.Global, Subjects: map[string]session.Mark{}}
	if mark, ok := all.Subjects[subject]; ok && subject != "" {
		got.Subjects[subject] = mark
	}
	return got, err
}
