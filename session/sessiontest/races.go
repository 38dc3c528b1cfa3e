package sessiontest

import (
	"errors"
	"sync"
	"testing"

	"crossfade.dev/crossfade/session"
)

// atOnce runs f n times in parallel and counts what it answers true to.
func atOnce(n int, f func(i int) bool) (yes int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if f(i) {
				mu.Lock()
				yes++
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return yes
}

func testStoreRaces(t *testing.T, s session.Store) {
	t.Run("of parallel inserts of one id one wins", func(t *testing.T) {
		if n := atOnce(16, func(int) bool {
			_, err := s.Commit(t.Context(), session.Insert{Record: record(1)})
			if err != nil && !errors.Is(err, session.ErrConflict) {
				t.Error(err)
			}
			return err == nil
		}); n != 1 {
			t.Fatalf("%d won", n)
		}
	})
	t.Run("parallel updates lose nothing: each version is written once", func(t *testing.T) {
		atOnce(8, func(int) bool {
			for {
				r, err := s.Head(t.Context(), id(1))
				if err != nil {
					t.Error(err)
					return false
				}
				if _, err := s.Commit(t.Context(), session.Update{Record: next(r)}); err == nil {
					return true
				} else if !errors.Is(err, session.ErrConflict) {
					t.Error(err)
					return false
				}
			}
		})
		same(t, head(t, s, id(1)).Version, uint64(9))
	})
	t.Run("a commit that fails leaves its neighbours alone", func(t *testing.T) {
		ok := atOnce(64, func(i int) bool {
			r := record(byte(100 + i))
			if i%2 == 0 {
				_, err := s.Commit(t.Context(), session.Insert{Record: r})
				return err == nil
			}
			_, err := s.Commit(t.Context(), session.Insert{Record: r}, session.Insert{Record: record(1)})
			return err == nil
		})
		same(t, ok, 32)
		for i := range 64 {
			if stored := head(t, s, id(byte(100+i))) != nil; stored != (i%2 == 0) {
				t.Fatalf("record %d stored: %v", i, stored)
			}
		}
	})
	t.Run("an end racing writes wins in every order", func(t *testing.T) {
		for n := byte(10); n < 20; n++ {
			commit(t, s, session.Insert{Record: record(n)})
			atOnce(4, func(i int) bool {
				if i == 0 {
					_, err := s.Commit(t.Context(), endLineage(session.Lineage(id(n))))
					return err == nil
				}
				_, err := s.Commit(t.Context(), session.Update{Record: next(record(n))})
				return err == nil
			})
			same(t, head(t, s, id(n)).State, session.StateEnded)
		}
	})
	t.Run("every mark is drawn once", func(t *testing.T) {
		var mu sync.Mutex
		seen := map[session.Mark]bool{}
		atOnce(16, func(i int) bool {
			var op session.Op = session.EndEverybody{At: epoch}
			if i%2 == 0 {
				op = session.EndSubject{Subject: "x", At: epoch, Keep: epoch}
			}
			res, err := s.Commit(t.Context(), op)
			mu.Lock()
			defer mu.Unlock()
			seen[res.Mark] = true
			return err == nil
		})
		same(t, len(seen), 16)
	})
}
