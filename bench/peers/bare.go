package peers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"
)

// errNotDone: a contestant has no such thing. The row says so.
var errNotDone = errors.New("not done")

// bare is the least that a check can be: a hash and a map look-up in the process, a GET, a SELECT by primary
// key, of as many bytes as a session has, through the clients that Crossfade's stores use.
type bare struct {
	keys []string
	get  func(key string) error
	stop func()
}

func openBare(o Opening) (sessions, error) {
	b := &bare{keys: make([]string, o.Sessions), stop: func() {}}
	for i := range b.keys {
		b.keys[i] = fmt.Sprintf("bare-%032d", i)
	}
	value := make([]byte, 400)
	switch o.Store {
	case "memory":
		return b, b.inMemory(value)
	case "redis":
		return b, b.onRedis(o.Redis, value)
	case "postgres":
		return b, b.onPostgres(o.Postgres, value)
	}
	return nil, fmt.Errorf("no store %q here", o.Store)
}

var errMissing = errors.New("a value is not there")

func (b *bare) inMemory(value []byte) error {
	all := make(map[[32]byte][]byte, len(b.keys))
	for _, k := range b.keys {
		all[sha256.Sum256([]byte(k))] = value
	}
	b.get = func(key string) error {
		if all[sha256.Sum256([]byte(key))] == nil {
			return errMissing
		}
		return nil
	}
	return nil
}

func (b *bare) onRedis(address string, value []byte) error {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true})
	if err != nil {
		return err
	}
	b.stop = c.Close
	ctx := context.Background()
	b.get = func(key string) error { return c.Do(ctx, c.B().Get().Key(key).Build()).Error() }
	return parallel(len(b.keys), func(i int) error {
		return c.Do(ctx, c.B().Set().Key(b.keys[i]).Value(rueidis.BinaryString(value)).Build()).Error()
	})
}

func (b *bare) onPostgres(dsn string, value []byte) error {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, withPool(dsn))
	if err != nil {
		return err
	}
	b.stop = pool.Close
	if _, err := pool.Exec(ctx, "CREATE TABLE bare (key TEXT PRIMARY KEY, value BYTEA NOT NULL)"); err != nil {
		return err
	}
	if _, err := pool.CopyFrom(ctx, pgx.Identifier{"bare"}, []string{"key", "value"}, pgx.CopyFromSlice(len(b.keys), func(i int) ([]any, error) {
		return []any{b.keys[i], value}, nil
	})); err != nil {
		return err
	}
	b.get = func(key string) error {
		var got []byte
		return pool.QueryRow(ctx, "SELECT value FROM bare WHERE key = $1", key).Scan(&got)
	}
	return nil
}

func (b *bare) version() string            { return "" }
func (b *bare) check(i int) error          { return b.get(b.keys[i]) }
func (b *bare) create() error              { return errNotDone }
func (b *bare) login(int) error            { return errNotDone }
func (b *bare) own(string, int, int) error { return nil }
func (b *bare) endAll(string) (int, error) { return 0, errNotDone }
func (b *bare) list(string) (int, error)   { return 0, errNotDone }
func (b *bare) close() error               { b.stop(); return nil }
