package app

import (
	"context"
	"log/slog"
	"path/filepath"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// sessionStore is what every kind of session store is to a process.
type sessionStore interface {
	session.Store
	// Writable says why the store refuses writes, or nil.
	Writable(ctx context.Context) error
	Close() error
}

// openStore opens the store that the configuration names.
func openStore(ctx context.Context, c *config.Config, at config.StoreAddresses, log *slog.Logger) (sessionStore, error) {
	switch kind := c.Session.Store.Kind; kind {
	case config.StoreSQLite:
		return opened(sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(c.Data.Folder, "session.db")}, log))
	case config.StorePostgres:
		return opened(sqlstore.OpenPostgres(ctx, postgres(c, at), log))
	case config.StoreRedis:
		return openRedis(ctx, c.Session.Store.Redis, at, log)
	default:
		return nil, unknownStore(kind)
	}
}

// opened keeps a store that is nil from becoming an interface that is not.
func opened[S sessionStore](s S, err error) (sessionStore, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func postgres(c *config.Config, at config.StoreAddresses) sqlstore.PostgresConfig {
	pool := c.Session.Store.Pool
	return sqlstore.PostgresConfig{DSN: at.DSN, WatchDSN: at.WatchDSN, Connections: pool.Connections, Unprepared: !pool.Prepare}
}

func unknownStore(kind string) error {
	return fault.New(fault.Precondition, "this program has no session store of kind %s", kind).
		WithHint("\"crossfade config explain session.store.kind\" names those that it has")
}

// Migration is a step of the session store's schema.
type Migration = sqlstore.Migration

// Migrate brings the schema of the configured session store up to date, or only looks, and gives its steps: none
// for a store that sees to it by itself.
func Migrate(ctx context.Context, c *config.Config, getenv func(string) string, apply bool) ([]Migration, error) {
	at, err := c.Session.Store.Addresses(getenv)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Session.Store.Kind != config.StorePostgres:
		return nil, nil
	case apply:
		return sqlstore.MigratePostgres(ctx, postgres(c, at))
	default:
		return sqlstore.PostgresMigrations(ctx, postgres(c, at))
	}
}
