package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
)

var at = suiteClock()

// rec is a live record; equal numbers make equal ids.
func rec(n byte, subject string) *session.Record {
	id := session.ID{0: n, 15: n}
	return &session.Record{
		Session: session.Session{
			ID: id, Lineage: session.Lineage(id), Generation: 1, Kind: session.Authenticated, Subject: subject, AuthTime: at,
			Created: at, LastSeen: at, ExpiresAt: at.Add(24 * time.Hour), Version: 1, State: session.StateLive, Born: 1 << 40,
		},
		Idle: time.Hour, Secret: session.Secret{n}.Hash(), SecretAt: at,
	}
}

func following(r *session.Record) *session.Record {
	c := *r
	c.Version++
	c.Attributes = nil
	return &c
}

// crash is a commit that a process dies in, and what must hold then.
type crash struct {
	before []session.Op
	ops    []session.Op
	// happened tells which of the commit's parts are there: all or none must be.
	happened func(t testing.TB, s *redisstore.Store) map[string]bool
	// touch writes to what the commit was about, as the next request does.
	touch []session.ID
}

func crashes() map[string]crash {
	old, other := rec(1, "u1"), rec(2, "u2")
	ended := func(t testing.TB, s *redisstore.Store, l session.Lineage) bool {
		return must(t)(s.Ended(t.Context(), l))
	}
	stored := func(t testing.TB, s *redisstore.Store, id session.ID) *session.Record {
		r, err := s.Full(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	due := func(t testing.TB, s *redisstore.Store) bool {
		p, err := s.Due(t.Context(), at.Add(time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(p) > 0
	}
	notify := &session.Notice{Operation: [16]byte{7}}
	end := session.EndLineage{Lineage: old.Lineage, Reason: "subject_changed", At: at, Keep: at.Add(time.Hour), Notify: notify}

	view, moved := following(old), rec(3, "u2")
	moved.Lineage = session.Lineage{9}
	view.ViewOf, view.Generation = moved.ID, 0
	key := session.Key{Hash: session.KeyHash{5}, Lineage: moved.Lineage, Moved: moved.ID, Keep: at.Add(time.Hour), Version: 1}
	return map[string]crash{
		"a login as somebody else": {
			before: []session.Op{session.Insert{Record: old}},
			ops:    []session.Op{session.Update{Record: following(old)}, end, session.Insert{Record: other}},
			touch:  []session.ID{old.ID, other.ID},
			happened: func(t testing.TB, s *redisstore.Store) map[string]bool {
				return map[string]bool{
					"the tombstone": ended(t, s, old.Lineage), "the old record's end": stored(t, s, old.ID).State == session.StateEnded,
					"the new record": stored(t, s, other.ID) != nil, "the notice": due(t, s),
				}
			},
		},
		"an exchange that takes a guest over": {
			before: []session.Op{session.Insert{Record: old}},
			ops:    []session.Op{session.Insert{Record: moved}, session.Update{Record: view}, session.PutKey{Key: key}},
			touch:  []session.ID{old.ID, moved.ID},
			happened: func(t testing.TB, s *redisstore.Store) map[string]bool {
				k, err := s.Key(t.Context(), key.Hash)
				if err != nil {
					t.Fatal(err)
				}
				return map[string]bool{
					"the view": !stored(t, s, old.ID).ViewOf.IsZero(), "the new record": stored(t, s, moved.ID) != nil, "the key": k != nil,
				}
			},
		},
		"an end that legacy is told of": {
			before: []session.Op{session.Insert{Record: old}},
			ops:    []session.Op{end},
			touch:  []session.ID{old.ID},
			happened: func(t testing.TB, s *redisstore.Store) map[string]bool {
				return map[string]bool{
					"the tombstone": ended(t, s, old.Lineage), "the record's end": stored(t, s, old.ID).State == session.StateEnded, "the notice": due(t, s),
				}
			},
		},
		"the end of a subject but for one": {
			before: []session.Op{session.Insert{Record: old}, session.Insert{Record: rec(4, "u1")}},
			ops: []session.Op{session.EndSubject{
				Subject: "u1", Reason: "password", At: at, Keep: at.Add(time.Hour), Except: old.ID, ExceptVersion: 1, ExceptLineage: old.Lineage, Notify: notify,
			}},
			touch: []session.ID{old.ID},
			happened: func(t testing.TB, s *redisstore.Store) map[string]bool {
				m, err := s.Marks(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return map[string]bool{
					"the mark": m.Subjects["u1"] != 0, "the spared one's birth": stored(t, s, old.ID).Born == m.Subjects["u1"],
					"the other's end": stored(t, s, rec(4, "u1").ID).State == session.StateEnded, "the notice": due(t, s),
				}
			},
		},
	}
}

func must(t testing.TB) func(bool, error) bool {
	return func(v bool, err error) bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestCrash cuts a process off at each of its scripts in turn, before it reaches the server and after. What was
// answered must be there, what was not is there as a whole or not at all, and nobody has to wait for the dead.
func TestCrash(t *testing.T) {
	server := testenv.StartRedis(t)
	for name, c := range crashes() {
		for _, answer := range []bool{false, true} {
			how := "before"
			if answer {
				how = "after"
			}
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n++ {
					if crashAt(t, server.Address, c, n, answer) {
						return // the commit has fewer scripts than that
					}
					if n > 40 {
						t.Fatal("the commit never ends")
					}
				}
			})
		}
	}
}

func crashAt(t *testing.T, server string, c crash, n int, answer bool) (through bool) {
	cfg := redisstore.Config{Addresses: []string{server}, Prefix: "c" + strconv.FormatInt(prefixes.Add(1), 10), Timeout: 100 * time.Millisecond}
	mid := newCutter(t, server, n, answer)
	cut := cfg
	cut.Addresses = []string{mid.address}
	dying, err := redisstore.Open(t.Context(), cut, suiteClock, quiet)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Timeout = 3 * time.Second
	s := openAt(t, cfg)
	if _, err := s.Commit(t.Context(), c.before...); err != nil {
		t.Fatal(err)
	}
	mid.armed.Store(true)
	_, failed := dying.Commit(context.Background(), c.ops...)
	through = !mid.cut.Load()
	_ = dying.Close()
	mid.stop()

	where := fmt.Sprintf("cut at script %d", n)
	for _, id := range c.touch {
		r, err := s.Head(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r == nil || r.State != session.StateLive || !r.ViewOf.IsZero() {
			continue
		}
		if _, err := s.Commit(t.Context(), session.Update{Record: following(r)}); err != nil {
			// A decided commit that this one finished has changed the record.
			if again, _ := s.Head(t.Context(), id); again == nil || again.Version == r.Version {
				t.Fatalf("%s: the next write fails with %v", where, err)
			}
		}
	}
	for range 2 {
		if _, err := s.Sweep(t.Context(), at, 100); err != nil {
			t.Fatal(err)
		}
	}
	parts := c.happened(t, s)
	yes := 0
	for _, there := range parts {
		if there {
			yes++
		}
	}
	if yes != 0 && yes != len(parts) || failed == nil && yes == 0 {
		t.Fatalf("%s, answered %v: %v", where, failed, parts)
	}
	return through
}
