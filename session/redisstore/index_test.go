package redisstore_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
)

// nth is a record of its own for every number.
func nth(n int, subject string) *session.Record {
	r := rec(1, subject)
	binary.BigEndian.PutUint32(r.ID[4:], uint32(n))
	r.Lineage = session.Lineage(r.ID)
	r.Created = at.Add(time.Duration(n) * time.Millisecond)
	return r
}

func insertMany(t testing.TB, s *redisstore.Store, from, to int, subject string) {
	t.Helper()
	for ; from < to; from += 500 {
		var ops []session.Op
		for n := from; n < min(from+500, to); n++ {
			ops = append(ops, session.Insert{Record: nth(n, subject)})
		}
		if _, err := s.Commit(context.Background(), ops...); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t testing.TB, s *redisstore.Store, subject string) []*session.Record {
	t.Helper()
	out, err := s.OfSubject(context.Background(), subject, session.Cursor{}, 20)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIndex(t *testing.T) {
	server := testenv.StartRedis(t, "appendfsync no")
	cfg := redisstore.Config{Addresses: []string{server.Address}, Prefix: "i", Timeout: time.Minute}
	s := openAt(t, cfg)
	subjectKey := func() string { return redisstore.SubjectKey(s, "u") }

	t.Run("10 000 dead entries are taken out by the first who reads them", func(t *testing.T) {
		insertMany(t, s, 0, 3, "u")
		insertMany(t, s, 10, 10_010, "u")
		for n := 10; n < 10_010; n++ { // as if they had expired
			id := nth(n, "u").ID
			server.Do("DEL", "i:{"+id.String()+"}")
		}
		if got := list(t, s, "u"); len(got) != 3 || got[0].ID != nth(2, "u").ID {
			t.Fatalf("listed %d", len(got))
		}
		if left := server.Do("ZCARD", subjectKey()); left != ":3" {
			t.Errorf("%s entries are left", left)
		}
	})
	t.Run("an entry that is lost comes back with the next sign of life", func(t *testing.T) {
		server.Do("DEL", subjectKey())
		r := nth(1, "u")
		if err := s.Touch(t.Context(), []session.Touch{{ID: r.ID, Since: at, Seen: at.Add(time.Second)}}, nil); err != nil {
			t.Fatal(err)
		}
		if got := list(t, s, "u"); len(got) != 1 || got[0].ID != r.ID {
			t.Fatalf("listed %d", len(got))
		}
	})
	t.Run("the end of a subject holds for sessions that the index does not know", func(t *testing.T) {
		res, err := s.Commit(t.Context(), session.EndSubject{Subject: "u", At: at, Keep: at})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Judged(t.Context(), nth(2, "u").ID, "u")
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		if got.Marks.Subjects["u"] != res.Mark {
			t.Fatalf("the mark is %d, not %d", got.Marks.Subjects["u"], res.Mark)
		}
	})
}
