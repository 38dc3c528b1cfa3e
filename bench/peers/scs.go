package peers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// scsSessions is alexedwards/scs, whose sessions have no owner: whoever wants a subject's looks at all.
type scsSessions struct {
	m      *scs.SessionManager
	tokens []string
	stop   func()
}

func openSCS(o Opening) (sessions, error) {
	s := &scsSessions{m: scs.New(), tokens: make([]string, o.Sessions), stop: func() {}}
	s.m.Lifetime = 14 * 24 * time.Hour
	switch o.Store {
	case "redis":
		client := redis.NewClient(&redis.Options{Addr: o.Redis, PoolSize: 64})
		s.m.Store, s.stop = goredisstore.New(client), func() { _ = client.Close() }
	case "postgres":
		pool, err := pgxpool.New(context.Background(), withPool(o.Postgres))
		if err != nil {
			return nil, err
		}
		// The table that its README asks for.
		if _, err := pool.Exec(context.Background(), `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
			CREATE INDEX sessions_expiry_idx ON sessions (expiry)`); err != nil {
			return nil, err
		}
		s.m.Store, s.stop = pgxstore.NewWithCleanupInterval(pool, 0), pool.Close
	default:
		return nil, fmt.Errorf("scs has no store %q here", o.Store)
	}
	return s, parallel(o.Sessions, func(i int) (err error) {
		s.tokens[i], err = s.open(customer(i), time.Time{})
		return err
	})
}

func withPool(dsn string) string {
	join := "?"
	if strings.Contains(dsn, "?") {
		join = "&"
	}
	return dsn + join + "pool_max_conns=16"
}

func (s *scsSessions) version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/alexedwards/scs/v2" {
			return m.Version
		}
	}
	return ""
}

func (s *scsSessions) open(subject string, deadline time.Time) (string, error) {
	ctx, err := s.m.Load(context.Background(), "")
	if err != nil {
		return "", err
	}
	s.m.Put(ctx, "subject", subject)
	s.m.Put(ctx, "cart", cart)
	if !deadline.IsZero() {
		s.m.SetDeadline(ctx, deadline)
	}
	token, _, err := s.m.Commit(ctx)
	return token, err
}

func (s *scsSessions) check(i int) error {
	ctx, err := s.m.Load(context.Background(), s.tokens[i])
	if err == nil && s.m.GetString(ctx, "subject") == "" {
		err = errors.New("a live session is not there")
	}
	return err
}

func (s *scsSessions) create() error {
	ctx, err := s.m.Load(context.Background(), "")
	if err != nil {
		return err
	}
	s.m.Put(ctx, "cart", cart)
	_, _, err = s.m.Commit(ctx)
	return err
}

func (s *scsSessions) login(i int) error {
	ctx, err := s.m.Load(context.Background(), s.tokens[i])
	if err != nil {
		return err
	}
	if err := s.m.RenewToken(ctx); err != nil {
		return err
	}
	s.m.Put(ctx, "subject", customer(i))
	s.tokens[i], _, err = s.m.Commit(ctx)
	return err
}

func (s *scsSessions) own(subject string, live, dead int) error {
	deadline := time.Now().Add(time.Second)
	if err := parallel(dead, func(int) error { _, err := s.open(subject, deadline); return err }); err != nil {
		return err
	}
	if dead > 0 {
		time.Sleep(time.Until(deadline) + 100*time.Millisecond)
	}
	return parallel(live, func(int) error { _, err := s.open(subject, time.Time{}); return err })
}

func (s *scsSessions) endAll(subject string) (n int, err error) {
	err = s.m.Iterate(context.Background(), func(ctx context.Context) error {
		if s.m.GetString(ctx, "subject") != subject {
			return nil
		}
		n++
		return s.m.Destroy(ctx)
	})
	return n, err
}

func (s *scsSessions) list(subject string) (n int, err error) {
	err = s.m.Iterate(context.Background(), func(ctx context.Context) error {
		if s.m.GetString(ctx, "subject") == subject {
			n++
		}
		return nil
	})
	return n, err
}

func (s *scsSessions) close() error {
	s.stop()
	return nil
}
