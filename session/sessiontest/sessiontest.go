// Package sessiontest is the conformance suite of the session plane: what every session.Store must do
// (Run), and what the session.Manager promises on top of any of them (RunManager).
//
// Invariant: a store that passes loses no answered write and brings no ended session back; the races that
// other session systems lose are subtests here by name. Each store's own tests call it.
package sessiontest

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"crossfade.dev/crossfade/session"
)

// Run checks a store against the contract of session.Store. open gives a fresh, empty store that is closed
// when its test ends.
func Run(t *testing.T, open func(testing.TB) session.Store) {
	for name, test := range map[string]func(*testing.T, session.Store){
		"records":    testRecords,
		"conditions": testConditions,
		"ends":       testEnds,
		"marks":      testMarks,
		"touch":      testTouch,
		"keys":       testKeys,
		"outbox":     testOutbox,
		"lists":      testLists,
		"scan":       testScan,
		"notes":      testNotes,
		"sweep":      testSweep,
		"judge":      testJudge,
		"races":      testStoreRaces,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// epoch is when all these tests begin.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// id makes a distinct id; equal numbers make equal ids.
func id(n byte) session.ID { return session.ID{0: n, 15: n} }

// record is a live authenticated record that a test may bend.
func record(n byte) *session.Record {
	return &session.Record{
		Session: session.Session{
			ID: id(n), Lineage: session.Lineage(id(n)), Generation: 1, Kind: session.Authenticated, Subject: "u1",
			AuthTime: epoch, Methods: []string{"pwd", "otp"}, Level: "aal2", Created: epoch.Add(time.Duration(n) * time.Second),
			LastSeen: epoch, ExpiresAt: epoch.Add(30 * 24 * time.Hour), Version: 1, State: session.StateLive,
			Visitor: session.VisitorID{9, n}, Origin: "shop",
		},
		Idle: 24 * time.Hour, Secret: session.Secret{n}.Hash(), SecretAt: epoch, Sealed: []byte{1, 2, n},
		Attributes: map[string]session.Attribute{"cart": attribute(`{"12":1.0}`, 1), "_auth_user_id": private(`"1"`, 1)},
	}
}

func attribute(v string, version uint64) session.Attribute {
	return session.Attribute{Value: json.RawMessage(v), Version: version}
}

func private(v string, version uint64) session.Attribute {
	return session.Attribute{Value: json.RawMessage(v), Version: version, Private: true}
}

// next copies a record for an update.
func next(r *session.Record) *session.Record {
	c := *r
	c.Version++
	c.Attributes = nil
	return &c
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return v
	}
}

func commit(t testing.TB, s session.Store, ops ...session.Op) session.Result {
	t.Helper()
	return must[session.Result](t)(s.Commit(t.Context(), ops...))
}

func refusedWith(t testing.TB, s session.Store, want error, ops ...session.Op) {
	t.Helper()
	if _, err := s.Commit(t.Context(), ops...); !errors.Is(err, want) {
		t.Fatalf("commit: got %v, want %v", err, want)
	}
}

func head(t testing.TB, s session.Store, id session.ID) *session.Record {
	t.Helper()
	return must[*session.Record](t)(s.Head(t.Context(), id))
}

func full(t testing.TB, s session.Store, id session.ID) *session.Record {
	t.Helper()
	return must[*session.Record](t)(s.Full(t.Context(), id))
}

func same(t testing.TB, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got\n%+v\nwant\n%+v", got, want)
	}
}

func testRecords(t *testing.T, s session.Store) {
	t.Run("what is stored comes back", func(t *testing.T) {
		r := record(1)
		r.Lineage, r.Generation, r.State, r.EndReason = session.Lineage{7}, 4, session.StateMoving, "reason"
		r.Born, r.First, r.Used, r.Privileged = 3, epoch.Add(1), epoch.Add(time.Second), epoch.Add(time.Minute)
		r.First = r.First.Truncate(time.Millisecond)
		r.Keep, r.FromGuest, r.View, r.Next = epoch.Add(time.Hour), true, id(80), id(81)
		r.Previous = []session.Previous{{Hash: session.SecretHash{1}}, {Hash: session.SecretHash{2}, View: id(82), Until: epoch.Add(time.Hour)}}
		r.Counterpart = session.LegacyRef{Hash: session.KeyHash{1}, Sealed: []byte("sealed"), Expires: epoch.Add(time.Hour)}
		r.Claim = session.LegacyRef{Hash: session.KeyHash{2}, Sealed: []byte("claim"), Expires: epoch.Add(time.Hour)}
		r.Operation = [16]byte{5}
		r.Transient = true
		r.Device = session.Device{Agent: "Mozilla/5.0 (X11)", Network: netip.MustParsePrefix("203.0.113.0/24"), Label: "kitchen"}
		commit(t, s, session.Insert{Record: r})
		same(t, full(t, s, r.ID), r)
		r.Attributes = nil
		same(t, head(t, s, r.ID), r)
	})
	t.Run("a guest without anything comes back", func(t *testing.T) {
		r := &session.Record{Session: session.Session{
			ID: id(2), Lineage: session.Lineage(id(2)), Generation: 1, Kind: session.Guest, Created: epoch, LastSeen: epoch,
			ExpiresAt: epoch.Add(time.Hour), Version: 1, State: session.StateLive,
		}, Idle: time.Hour, Attributes: map[string]session.Attribute{}}
		commit(t, s, session.Insert{Record: r})
		same(t, full(t, s, r.ID), r)
	})
	t.Run("what is not there is nil, not an error", func(t *testing.T) {
		if r := head(t, s, id(99)); r != nil {
			t.Fatalf("got %+v", r)
		}
	})
	t.Run("generations come newest first, found by the id of the first as well", func(t *testing.T) {
		first, second, view := record(3), record(4), record(5)
		second.Lineage, second.Generation = session.Lineage(id(3)), 2
		view.Lineage, view.Generation, view.ViewOf = session.Lineage(id(3)), 0, id(3)
		commit(t, s, session.Insert{Record: first}, session.Insert{Record: second}, session.Insert{Record: view})
		recs := must[[]*session.Record](t)(s.Generations(t.Context(), session.Lineage(id(3))))
		if len(recs) != 2 || recs[0].ID != id(4) || recs[1].ID != id(3) {
			t.Fatalf("got %v", recs)
		}
	})
}

func testConditions(t *testing.T, s session.Store) {
	commit(t, s, session.Insert{Record: record(1)})
	t.Run("an insert needs a free id", func(t *testing.T) {
		refusedWith(t, s, session.ErrConflict, session.Insert{Record: record(1)})
	})
	t.Run("two records of one generation do not exist", func(t *testing.T) {
		a, b := record(2), record(3)
		a.Lineage, b.Lineage = session.Lineage{7}, session.Lineage{7}
		commit(t, s, session.Insert{Record: a})
		refusedWith(t, s, session.ErrConflict, session.Insert{Record: b})
	})
	t.Run("an update needs the version before", func(t *testing.T) {
		old := full(t, s, id(1))
		commit(t, s, session.Update{Record: next(old)})
		refusedWith(t, s, session.ErrConflict, session.Update{Record: next(old)})
	})
	t.Run("an update never makes a record", func(t *testing.T) {
		refusedWith(t, s, session.ErrConflict, session.Update{Record: next(record(50))})
		if head(t, s, id(50)) != nil {
			t.Fatal("the record exists")
		}
	})
	t.Run("an update without attributes leaves them, with none it drops them", func(t *testing.T) {
		before := full(t, s, id(1))
		up := next(before)
		commit(t, s, session.Update{Record: up})
		same(t, full(t, s, id(1)).Attributes, before.Attributes)
		up = next(up)
		up.Attributes = map[string]session.Attribute{}
		commit(t, s, session.Update{Record: up})
		same(t, full(t, s, id(1)).Attributes, map[string]session.Attribute{})
	})
	t.Run("all operations of a commit happen, or none", func(t *testing.T) {
		refusedWith(t, s, session.ErrConflict, session.Insert{Record: record(10)}, session.Insert{Record: record(1)})
		if head(t, s, id(10)) != nil {
			t.Fatal("half of a refused commit was written")
		}
	})
	t.Run("a caller who has given up has written nothing, or is told what", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Commit(ctx, session.Insert{Record: record(11)})
		if stored := head(t, s, id(11)) != nil; stored != (err == nil) {
			t.Fatalf("error %v, stored %v", err, stored)
		}
	})
}

func testLists(t *testing.T, s session.Store) {
	for n := byte(1); n <= 7; n++ {
		r := record(n)
		if n == 3 {
			r.State = session.StateMoved
		}
		if n == 4 {
			r.Subject = "somebody else"
		}
		commit(t, s, session.Insert{Record: r})
	}
	t.Run("live and moving sessions of a subject, newest first, page by page", func(t *testing.T) {
		var got []byte
		var at session.Cursor
		for {
			recs := must[[]*session.Record](t)(s.OfSubject(t.Context(), "u1", at, 2))
			for _, r := range recs {
				got = append(got, r.ID[0])
				at = session.Cursor{Created: r.Created, ID: r.ID}
			}
			if len(recs) < 2 {
				break
			}
		}
		same(t, got, []byte{7, 6, 5, 2, 1})
	})
}
