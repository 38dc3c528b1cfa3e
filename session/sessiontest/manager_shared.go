package sessiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/keyring"
	"crossfade.dev/crossfade/session"
)

// RunShared checks what managers promise that share a store, over connections that are cut, delayed and
// repeated. open gives a store that keeps the contract of session.Store; sharing it is this package's part.
func RunShared(t *testing.T, open func(testing.TB) session.Store) {
	for name, test := range map[string]func(*testing.T, *site){
		"bound":      testSharedBound,
		"marks":      testSharedMarks,
		"fills":      testSharedFills,
		"gap":        testSharedGap,
		"spared":     testSharedSpared,
		"activity":   testSharedActivity,
		"strict":     testSharedStrict,
		"store down": testSharedDown,
		"cost":       testSharedCost,
		"deny list":  testSharedDenied,
		"on write":   testSharedOnWrite,
		"reuse":      testReuse,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSite(t, open(t), session.Config{})) })
	}
	t.Run("histories", func(t *testing.T) { testSharedHistories(t, open) })
}

// bound is the one of these tests.
const bound = session.DefaultBound

// site is a store with two processes on it.
type site struct {
	t     testing.TB
	clock *Clock
	ring  *keyring.Ring
	store *Shared
	cfg   session.Config
	a, b  *process
}

// process is one manager with its own connection.
type process struct {
	*session.Manager
	s    *site
	node *Node
	seen *seen
}

func newSite(t testing.TB, store session.Store, cfg session.Config) *site {
	t.Helper()
	ring, err := keyring.New(rand.Reader, keyring.Secret{ID: 1, Bytes: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, clock: NewClock(epoch), ring: ring, store: Share(store), cfg: cfg}
	s.a, s.b = s.process(), s.process()
	return s
}

// process starts one whose watch has begun.
func (s *site) process() *process {
	s.t.Helper()
	p := &process{s: s, node: s.store.Node(s.clock.Now), seen: &seen{}}
	m, err := session.New(s.cfg, p.node, s.ring, s.clock.Now, rand.Reader, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	p.Manager = m
	m.Observe(p.seen)
	m.Start(context.Background())
	s.t.Cleanup(func() { m.Stop(context.Background()) })
	p.node.Joined()
	p.hear()
	return p
}

// seen counts what an observer is told.
type seen struct {
	lags, lost, through int
	reused              []session.Reuse
}

func (s *seen) RevocationLag(time.Duration) { s.lags++ }
func (s *seen) WatchLost()                  { s.lost++ }
func (s *seen) ReadThrough()                { s.through++ }
func (s *seen) Reused(r session.Reuse)      { s.reused = append(s.reused, r) }

// hear lets the watch tell what there is.
func (p *process) hear() bool { return p.node.Tell(context.Background(), p.s.clock.Now()) }

func (p *process) login(subject string) session.Issued {
	p.s.t.Helper()
	in, err := p.Upgrade(context.Background(), session.Upgrade{Subject: subject, Born: p.CurrentMark(), Set: values("cart", "[2]")})
	return must[session.Issued](p.s.t)(in, err)
}

func (p *process) guest() session.Issued {
	p.s.t.Helper()
	out := must[session.Patched](p.s.t)(p.Patch(context.Background(), session.Patch{
		Guest: Proof(p.NewGuest(session.VisitorID{1}).Session), Set: values("cart", "[1]"),
	}))
	return *out.Replace
}

func (p *process) worth(token string, want session.Worth) session.Resolution {
	p.s.t.Helper()
	res := p.Resolve(context.Background(), token)
	if res.Worth != want {
		p.s.t.Fatalf("the token is worth %v, want %v", res.Worth, want)
	}
	return res
}

func (p *process) end(e session.End) session.Ended {
	p.s.t.Helper()
	e.Reason = "test"
	return must[session.Ended](p.s.t)(p.End(context.Background(), e))
}

// reads is how often f asks the store.
func (p *process) reads(f func()) int {
	before := p.node.Reads()
	f()
	return p.node.Reads() - before
}

func testSharedBound(t *testing.T, s *site) {
	for name, cut := range map[string]func(){
		"its packets are dropped": func() { s.b.node.Deafen(true) },
		"it is closed":            func() { s.b.node.Close() },
		"it works":                func() {},
	} {
		t.Run("an end elsewhere is in force within the bound, though the connection: "+name, func(t *testing.T) {
			for _, in := range []session.Issued{s.a.login("u1"), s.a.guest(), s.a.NewGuest(session.VisitorID{3})} {
				s.b.hear()
				s.b.worth(in.Token, session.WorthLive)
				cut()
				s.a.end(session.End{ID: in.Session.ID})
				s.b.Resolve(t.Context(), in.Token)
				s.clock.Advance(bound)
				s.b.worth(in.Token, session.WorthEnded)
				s.b.node.Deafen(false)
			}
		})
	}
	s.b.hear()
	t.Run("an end that was told is in force at once", func(t *testing.T) {
		in := s.a.login("u1")
		s.b.worth(in.Token, session.WorthLive)
		s.a.end(session.End{ID: in.Session.ID})
		s.b.node.Changes(0)
		s.b.worth(in.Token, session.WorthEnded)
	})
	t.Run("a sign of life counts from when it was asked for, not from when it came", func(t *testing.T) {
		in := s.a.login("u1")
		s.b.hear()
		s.b.worth(in.Token, session.WorthLive)
		asked := s.clock.Now()
		s.clock.Advance(bound)
		s.b.node.Tell(t.Context(), asked)
		s.a.end(session.End{ID: in.Session.ID})
		s.b.worth(in.Token, session.WorthEnded)
	})
	t.Run("what is told twice, late or out of turn does no harm", func(t *testing.T) {
		in := s.a.login("u1")
		s.b.hear()
		rot := must[session.Issued](t)(s.a.Rotate(t.Context(), in.Session.ID))
		s.b.node.Changes(100)
		s.b.worth(rot.Token, session.WorthLive)
		s.b.node.Changes(100)
		s.b.worth(rot.Token, session.WorthLive)
		s.a.end(session.End{ID: in.Session.ID})
		s.b.node.Changes(100)
		s.b.node.Changes(100)
		s.b.worth(rot.Token, session.WorthEnded)
	})
	t.Run("a lineage that ended elsewhere is known as ended", func(t *testing.T) {
		in := s.a.login("u1")
		same(t, must[bool](t)(s.b.EndedLineage(t.Context(), in.Session.Lineage)), false)
		s.a.end(session.End{ID: in.Session.ID, LegacyDone: true})
		s.clock.Advance(bound)
		same(t, must[bool](t)(s.b.EndedLineage(t.Context(), in.Session.Lineage)), true)
	})
	t.Run("before a watch began nothing in memory is believed", func(t *testing.T) {
		node := s.store.Node(s.clock.Now)
		m := must[*session.Manager](t)(session.New(s.cfg, node, s.ring, s.clock.Now, rand.Reader, slog.New(slog.DiscardHandler)))
		if w := m.Watch(); !w.Shared || w.Alive || !w.AsOf.IsZero() {
			t.Fatalf("got %+v", w)
		}
		in := s.a.login("u1")
		same(t, m.Resolve(t.Context(), in.Token).Worth, session.WorthLive)
		s.a.end(session.End{Subject: "u1"})
		s.clock.Advance(bound)
		same(t, m.Resolve(t.Context(), in.Token).Worth, session.WorthEnded)
	})
}

func testSharedMarks(t *testing.T, s *site) {
	ctx := t.Context()
	t.Run("the end of a subject and of everybody reach a process whose watch is cut", func(t *testing.T) {
		for _, e := range []session.End{{Subject: "u1"}, {Everybody: true}} {
			in, blank := s.a.login("u1"), s.a.NewGuest(session.VisitorID{1})
			s.b.hear()
			s.b.worth(in.Token, session.WorthLive)
			s.b.worth(blank.Token, session.WorthLive)
			s.b.node.Deafen(true)
			s.a.end(e)
			s.clock.Advance(bound)
			s.b.worth(in.Token, session.WorthEnded)
			if e.Everybody {
				s.b.worth(blank.Token, session.WorthEnded)
			}
			_, _, err := s.b.Read(ctx, in.Session.ID)
			if err == nil {
				t.Fatal("an ended session is read")
			}
			if got, err := s.b.Get(ctx, in.Session.ID); err != nil || got.State != session.StateEnded {
				t.Fatalf("got %+v, %v", got, err)
			}
			if list, _, err := s.b.List(ctx, "u1", "", 10); err != nil || len(list) != 0 {
				t.Fatalf("listed %v, %v", list, err)
			}
			s.b.node.Deafen(false)
			s.b.hear()
		}
	})
	t.Run("who logs in right after it, at another process, stays logged in", func(t *testing.T) {
		s.a.end(session.End{Subject: "u1"})
		born := s.a.CurrentMark()
		in := must[session.Issued](t)(s.b.Upgrade(ctx, session.Upgrade{Subject: "u1", Born: born}))
		s.b.hear()
		s.b.worth(in.Token, session.WorthLive)
		s.a.hear()
		s.a.worth(in.Token, session.WorthLive)
	})
	t.Run("while the watch is lost a login that began before an end is refused, and the next one is not", func(t *testing.T) {
		s.b.node.Deafen(true)
		s.clock.Advance(bound)
		s.a.end(session.End{Subject: "u1"})
		if _, err := s.b.Upgrade(ctx, session.Upgrade{Subject: "u1", Born: s.b.CurrentMark()}); err == nil {
			t.Fatal("it was not refused")
		}
		in := s.b.login("u1")
		s.b.worth(in.Token, session.WorthLive)
		s.a.worth(in.Token, session.WorthLive)
		s.b.node.Deafen(false)
	})
	t.Run("what is no token is held against them too", func(t *testing.T) {
		in := s.a.login("u1")
		s.b.hear()
		revoked := func() bool {
			t.Helper()
			return must[bool](t)(s.b.Revoked(ctx, in.Session.Lineage, "u1", in.Session.Born))
		}
		same(t, revoked(), false)
		s.b.node.Deafen(true)
		s.clock.Advance(bound)
		same(t, revoked(), false)
		s.a.end(session.End{Subject: "u1"})
		same(t, revoked(), true)
	})
}

// testSharedFills: a read that is under way when something changes must not put what it found into memory.
func testSharedFills(t *testing.T, s *site) {
	for name, told := range map[string]func(){
		"is told":             func() { s.b.node.Changes(0) },
		"happened over a gap": func() { s.b.node.Close(); s.b.hear() },
		"happened over a gap, unheard": func() {
			s.b.node.Deafen(true)
			s.clock.Advance(bound)
			s.b.node.Deafen(false)
			s.b.node.Close()
			s.b.hear()
		},
	} {
		t.Run("an end that "+name+" while a read is under way is not forgotten", func(t *testing.T) {
			far := must[session.Exchanged](t)(s.a.Exchange(t.Context(), exchange(name, session.Lineage{byte(len(name))}, "u9"))).Issued
			for _, in := range []session.Issued{s.a.login("u1"), s.a.guest(), s.a.NewGuest(session.VisitorID{4}), far} {
				s.b.hear()
				once := true
				s.b.node.Slow = func(string) {
					if once {
						once = false
						s.a.end(session.End{ID: in.Session.ID})
						told()
					}
				}
				s.b.Resolve(t.Context(), in.Token)
				s.b.node.Slow = nil
				if once {
					t.Fatal("nothing was read")
				}
				s.b.hear()
				s.b.worth(in.Token, session.WorthEnded)
			}
		})
	}
	t.Run("a commit of one's own that is overtaken is not believed", func(t *testing.T) {
		in := s.a.login("u1")
		s.b.hear()
		s.b.worth(in.Token, session.WorthLive)
		s.b.node.Slow = func(read string) {
			if read == "full" {
				s.b.node.Slow = nil
				must[session.Patched](t)(s.a.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("a", "1")}))
			}
		}
		p := must[session.Patched](t)(s.b.Patch(t.Context(), session.Patch{ID: in.Session.ID, Set: values("b", "1")}))
		same(t, p.Session.Version, uint64(3))
		s.b.hear()
		same(t, s.b.worth(in.Token, session.WorthLive).Session.Version, uint64(3))
	})
}

// testSharedGap: what happened while nothing was told is found when the watch begins again.
func testSharedGap(t *testing.T, s *site) {
	ctx := t.Context()
	one, all := s.a.login("u1"), s.a.login("u2")
	key := must[session.Exchanged](t)(s.a.Exchange(ctx, exchange("k1", session.Lineage{1}, "u3"))).Issued
	blank := s.a.NewGuest(session.VisitorID{1})
	s.b.hear()
	for _, in := range []session.Issued{one, all, key, blank} {
		s.b.worth(in.Token, session.WorthLive)
	}
	must[session.Succession](t)(s.b.Succession(ctx, "k1"))
	s.b.node.Close()
	s.a.end(session.End{ID: one.Session.ID})
	s.a.end(session.End{ID: blank.Session.ID})
	s.a.end(session.End{Subject: "u2"})
	s.a.end(session.End{Lineage: key.Session.Lineage, LegacyDone: true})
	s.b.hear()
	for _, in := range []session.Issued{one, all, key, blank} {
		s.b.worth(in.Token, session.WorthEnded)
	}
	same(t, must[session.Succession](t)(s.b.Succession(ctx, "k1")).Ended, true)
	same(t, s.b.Denied(one.Session.Lineage), true)
	same(t, s.b.Outstanding(), s.a.Outstanding())
	same(t, s.b.seen.lost, 1)
}

// testSharedSpared: "all but this one" must not end this one on the way.
func testSharedSpared(t *testing.T, s *site) {
	in, other := s.a.login("u1"), s.a.login("u1")
	s.b.hear()
	s.b.node.Slow = func(string) {
		s.b.node.Slow = nil
		s.a.end(session.End{Subject: "u1", Except: in.Session.ID})
		s.b.node.Changes(0)
	}
	s.b.worth(in.Token, session.WorthLive)
	s.b.worth(other.Token, session.WorthEnded)
	s.b.worth(in.Token, session.WorthLive)
}
