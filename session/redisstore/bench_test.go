package redisstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/redisstore"
)

// callers runs f b.N times from n goroutines and reports the rate.
func callers(b *testing.B, n int, f func(i int64)) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	start := time.Now()
	for range n {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "ops/s")
}

// BenchmarkCheck puts a check past every cache beside a bare GET of as many bytes through the same client.
func BenchmarkCheck(b *testing.B) {
	server := testenv.StartRedis(b, "appendonly no")
	s := openAt(b, redisstore.Config{Addresses: []string{server.Address}})
	const n = 1024
	insertMany(b, s, 0, n, "u")
	exchanged := make([]session.ID, n)
	for i := range n {
		r := nth(i, "v")
		r.ID[15] = 9
		r.Lineage[15] = 8
		exchanged[i] = r.ID
		if _, err := s.Commit(context.Background(), session.Insert{Record: r}); err != nil {
			b.Fatal(err)
		}
	}
	client := redisstore.Client(s)
	ctx := context.Background()
	size := redisstore.RecordSize(nth(1, "u"))
	for i := range n {
		if err := client.Do(ctx, client.B().Set().Key(fmt.Sprintf("bare:{%032d}", i)).Value(string(make([]byte, size))).Build()).Error(); err != nil {
			b.Fatal(err)
		}
	}
	var names [n]string
	var ids [n]session.ID
	for i := range n {
		names[i], ids[i] = fmt.Sprintf("bare:{%032d}", i), nth(i, "u").ID
	}
	for _, c := range []int{1, 64} {
		b.Run(fmt.Sprintf("GET/%d", c), func(b *testing.B) {
			callers(b, c, func(i int64) {
				if v, err := client.Do(ctx, client.B().Get().Key(names[i%n]).Build()).ToString(); err != nil || len(v) != size {
					b.Error(err)
				}
			})
		})
		head := func(of []session.ID) func(b *testing.B) {
			return func(b *testing.B) {
				callers(b, c, func(i int64) {
					if r, err := s.Head(ctx, of[i%n]); err != nil || r == nil {
						b.Error(err)
					}
				})
			}
		}
		b.Run(fmt.Sprintf("Head/%d", c), head(ids[:]))
		b.Run(fmt.Sprintf("Head-exchanged/%d", c), head(exchanged))
		b.Run(fmt.Sprintf("Judged/%d", c), func(b *testing.B) {
			callers(b, c, func(i int64) {
				if j, err := s.Judged(ctx, ids[i%n], "u"); err != nil || j.Record == nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkWrite measures what a create and an update cost, with the index beside.
func BenchmarkWrite(b *testing.B) {
	server := testenv.StartRedis(b, "appendonly no")
	s := openAt(b, redisstore.Config{Addresses: []string{server.Address}})
	ctx := context.Background()
	var made atomic.Int64
	b.Run("insert/64", func(b *testing.B) {
		callers(b, 64, func(int64) {
			n := made.Add(1)
			if _, err := s.Commit(ctx, session.Insert{Record: nth(int(n), fmt.Sprint("w", n/100))}); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("end of 1000", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			from := int(made.Add(1000))
			subject := fmt.Sprint("e", from)
			insertMany(b, s, from+1_000_000, from+1_001_000, subject)
			b.StartTimer()
			if _, err := s.Commit(ctx, session.EndSubject{Subject: subject, At: at, Keep: at}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
