package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"crossfade.dev/crossfade/session"
)

// BenchmarkPostgres measures the store on a server of this machine, beside a bare SELECT by primary key of the
// same row, as an application writes it with pgx and as many connections. The server does not sync here: what
// a commit costs is its round trip and its work.
func BenchmarkPostgres(b *testing.B) {
	ctx := context.Background()
	cfg := fresh(b)
	s := openPostgresAt(b, cfg)
	var ids []session.ID
	var ops []session.Op
	for n := range 1024 {
		r := postgresRecord(n)
		ids, ops = append(ids, r.ID), append(ops, session.Insert{Record: r})
	}
	if _, err := s.Commit(ctx, ops...); err != nil {
		b.Fatal(err)
	}
	bare, err := pgxpool.New(ctx, fmt.Sprintf("%s?pool_max_conns=%d", cfg.DSN, cfg.Connections))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("head/%d", n), func(b *testing.B) {
			callers(b, n, func(i int64) {
				if r, err := s.Head(ctx, ids[i%1024]); err != nil || r == nil {
					b.Error(r, err)
				}
			})
		})
		b.Run(fmt.Sprintf("bare-select/%d", n), func(b *testing.B) {
			callers(b, n, func(i int64) {
				var version int64
				var head []byte
				id := ids[i%1024]
				if err := bare.QueryRow(ctx, `SELECT version, head FROM crossfade.sessions WHERE id = $1`, id[:]).Scan(&version, &head); err != nil {
					b.Error(err)
				}
			})
		})
	}
	made := 1 << 16
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("create/%d", n), func(b *testing.B) {
			first := made
			made += b.N
			callers(b, n, func(i int64) {
				r := postgresRecord(first + int(i))
				if _, err := s.Commit(ctx, session.Insert{Record: r}); err != nil && !errors.Is(err, session.ErrConflict) {
					b.Error(err)
				}
			})
		})
	}
}
