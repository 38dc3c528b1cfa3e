package sqlstore_test

import (
	"context"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sessiontest"
	"crossfade.dev/crossfade/session/sqlstore"
)

// openPostgres gives a store on a database of its own: about 100 ms.
func openPostgres(t testing.TB) session.Store {
	t.Helper()
	return openPostgresAt(t, fresh(t))
}

// fresh makes a database with the schema in it.
func fresh(t testing.TB) sqlstore.PostgresConfig {
	t.Helper()
	server := testenv.SharedPostgres(t)
	cfg := sqlstore.PostgresConfig{DSN: server.DSN(server.Database(t)), Connections: 8}
	if _, err := sqlstore.MigratePostgres(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func openPostgresAt(t testing.TB, cfg sqlstore.PostgresConfig) *sqlstore.Postgres {
	t.Helper()
	s, err := sqlstore.OpenPostgres(context.Background(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestPostgres(t *testing.T) { sessiontest.Run(t, openPostgres) }

func TestPostgres_Manager(t *testing.T) { sessiontest.RunManager(t, openPostgres) }

func TestPostgres_Watch(t *testing.T) {
	sessiontest.RunWatcher(t, func(t testing.TB) (here, there session.Store) {
		cfg := fresh(t)
		return openPostgresAt(t, cfg), openPostgresAt(t, cfg)
	})
}
