package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
)

// load is many sessions that are made, written and ended while something breaks, and what was answered of it.
type load struct {
	s       *redisstore.Store
	mu      sync.Mutex
	version map[session.ID]uint64 // the newest that was answered
	ended   map[session.ID]bool   // an end was answered
	stop    chan struct{}
	done    sync.WaitGroup
}

func startLoad(s *redisstore.Store, writers int) *load {
	l := &load{s: s, version: map[session.ID]uint64{}, ended: map[session.ID]bool{}, stop: make(chan struct{})}
	for w := range writers {
		l.done.Go(func() { l.write(w) })
	}
	return l
}

func (l *load) write(w int) {
	for n := uint64(0); ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		r := rec(0, "u")
		binary.BigEndian.PutUint64(r.ID[:], n)
		r.ID[15] = byte(w + 1)
		r.Lineage = session.Lineage(r.ID)
		if n%4 == 3 {
			r.Lineage[8] = 1 // as one that came from legacy
		}
		if !l.commit(session.Insert{Record: r}) {
			continue
		}
		l.answered(r)
		r = following(r)
		if l.commit(session.Update{Record: r}) {
			l.answered(r)
		}
		if n%3 == 0 {
			end := session.EndLineage{Lineage: r.Lineage, Reason: "logout", At: at, Keep: at.Add(time.Hour)}
			if n%2 == 0 {
				end.Notify = &session.Notice{Operation: [16]byte{1}}
			}
			if l.commit(end) {
				l.mu.Lock()
				l.ended[r.ID] = true
				l.mu.Unlock()
			}
		}
	}
}

func (l *load) commit(op session.Op) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := l.s.Commit(ctx, op)
	return err == nil
}

func (l *load) answered(r *session.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version[r.ID] = r.Version
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.version)
}

// more waits until so many more sessions were made: the load goes through.
func (l *load) more(t testing.TB, n int) {
	t.Helper()
	want := l.count() + n
	testenv.Eventually(t, "writes are answered", func() bool { return l.count() >= want })
}

func (l *load) end() {
	close(l.stop)
	l.done.Wait()
}

// check reads everything that was answered: with writes, every write must be there, and otherwise only the ends.
func (l *load) check(t testing.TB, writes bool) {
	t.Helper()
	lost, back := 0, 0
	for id, version := range l.version {
		r := must16(t, l.s, id)
		switch {
		case l.ended[id] && r != nil && r.State != session.StateEnded:
			back++
		case r == nil && !l.ended[id], r != nil && r.Version < version:
			lost++
		}
	}
	t.Logf("%d sessions, %d ends answered; %d writes lost, %d ended sessions live", len(l.version), len(l.ended), lost, back)
	if back > 0 || writes && lost > 0 {
		t.Errorf("%d answered writes are lost, %d ended sessions live", lost, back)
	}
}

func must16(t testing.TB, s *redisstore.Store, id session.ID) (r *session.Record) {
	t.Helper()
	var err error
	testenv.Eventually(t, "the store can be read", func() bool {
		r, err = s.Head(context.Background(), id)
		return err == nil
	})
	return r
}

// gaps counts what a watch says of its gaps.
type gaps struct {
	mu          sync.Mutex
	began, lost int
	alive       time.Time
}

func (g *gaps) Now() time.Time { return time.Now() }
func (g *gaps) Began(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.began++
	return nil
}
func (g *gaps) Changed(session.Change) {}
func (g *gaps) Alive(asOf time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alive = asOf
}
func (g *gaps) Lost(error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost++
}

func (g *gaps) watch(t testing.TB, s *redisstore.Store) {
	ctx, stop := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		if err := s.Watch(ctx, g); !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	})
	t.Cleanup(func() { stop(); over.Wait() })
	g.await(t, "the watch begins", func() bool { return g.began == 1 })
}

func (g *gaps) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, what, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return ok()
	})
}

func TestKill(t *testing.T) {
	t.Run("every write that was answered survives kill -9 of the server", func(t *testing.T) {
		server := testenv.StartRedis(t)
		s := openAt(t, redisstore.Config{Addresses: []string{server.Address}})
		var g gaps
		g.watch(t, s)
		l := startLoad(s, 8)
		for range 2 {
			l.more(t, 200)
			server.Kill()
			server.Restart()
		}
		l.more(t, 50)
		l.end()
		l.check(t, true)
		g.await(t, "the watch begins after each gap", func() bool { return g.began == 3 && g.lost == 2 })
	})
}

// The failover tests keep ends on a replica (wait.ends) and data not: what the former promises must hold, and what
// the latter may lose is printed.
func TestFailover(t *testing.T) {
	ends := redisstore.Wait{Ends: redisstore.Copies{Replicas: 1}}
	t.Run("Sentinel: the replica takes over, and no session whose end has a copy is back", func(t *testing.T) {
		t.Parallel()
		servers := testenv.StartRedisSentinel(t)
		s := openAt(t, redisstore.Config{Addresses: []string{servers.Sentinel.Address}, Sentinel: servers.Name, Wait: ends})
		var g gaps
		g.watch(t, s)
		l := startLoad(s, 4)
		l.more(t, 100)
		servers.Primary.Kill()
		testenv.Eventually(t, "the replica is the primary", servers.Replica.IsPrimary)
		g.await(t, "the watch begins again", func() bool { return g.began == 2 && g.lost == 1 })
		l.end()
		l.check(t, false)
	})
	t.Run("cluster: a replica takes a primary's slots over", func(t *testing.T) {
		t.Parallel()
		c := testenv.StartRedisCluster(t)
		s := openAt(t, redisstore.Config{Addresses: c.Addresses(), Wait: ends})
		var g gaps
		g.watch(t, s)
		l := startLoad(s, 4)
		l.more(t, 100)
		c.Nodes[0].Kill()
		testenv.Eventually(t, "the replica is a primary", c.Nodes[3].IsPrimary)
		g.await(t, "the watch begins again", func() bool { return g.began == 2 && g.lost == 1 })
		before := l.count()
		testenv.Eventually(t, "sessions are made again", func() bool { return l.count() > before })
		l.end()
		l.check(t, false)
	})
}
