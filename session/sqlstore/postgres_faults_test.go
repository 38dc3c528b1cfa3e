package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/testenv"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

func TestOpenPostgres(t *testing.T) {
	server := testenv.SharedPostgres(t)
	good := fresh(t)
	database := good.DSN[strings.LastIndexByte(good.DSN, '/')+1:]
	newer := fresh(t)
	server.Exec(t, newer.DSN[strings.LastIndexByte(newer.DSN, '/')+1:], "INSERT INTO crossfade.schema_version (version_id, is_applied) VALUES (999, true)")
	for name, c := range map[string]struct {
		dsn  string
		code fault.Code
		says string
		hint string
	}{
		"an address that is none":          {"postgres://u:" + server.Password + "@h:port/d", fault.Invalid, "not one of PostgreSQL's", "%-encoded"},
		"a server that is not there":       {fmt.Sprintf("postgres://u:%s@127.0.0.1:%d/d", server.Password, testenv.Port(t)), fault.Unavailable, "cannot reach", "server of session.store.dsn runs"},
		"a wrong password":                 {strings.Replace(good.DSN, server.Password, "wrong-"+server.Password, 1), fault.Unavailable, "refuses the password", "session.store.dsn"},
		"a database that is not there":     {server.DSN("nowhere"), fault.Unavailable, "no such session database", "createdb"},
		"a database without the schema":    {server.DSN(server.Database(t)), fault.Precondition, "schema 0", "crossfade store migrate"},
		"a schema that is newer":           {newer.DSN, fault.Precondition, "schema 999", "newer crossfade"},
		"a server that takes no writes":    {server.DSN(database, "options=-c default_transaction_read_only=on"), fault.Precondition, "read-only", "target_session_attrs"},
		"another isolation level":          {server.DSN(database, "options=-c default_transaction_isolation=serializable"), fault.Precondition, "serializable", "ALTER ROLE"},
		"a certificate that nobody trusts": {server.DSN(database, "sslmode=verify-full", "sslrootcert="+testenv.SelfSigned(t).CertFile), fault.Unavailable, "no trusted connection", "sslrootcert"},
	} {
		t.Run(name+" is refused with the way to mend it, and no secret", func(t *testing.T) {
			var log bytes.Buffer
			s, err := sqlstore.OpenPostgres(t.Context(), sqlstore.PostgresConfig{DSN: c.dsn}, slog.New(slog.NewTextHandler(&log, nil)))
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			message, hint := fault.Public(err)
			if fault.CodeOf(err) != c.code || !strings.Contains(message, c.says) || !strings.Contains(hint, c.hint) {
				t.Errorf("got %s: %s\nhint: %s", fault.CodeOf(err), message, hint)
			}
			if all := err.Error() + hint + log.String(); strings.Contains(all, server.Password) {
				t.Errorf("a secret is told: %s", all)
			}
		})
	}
	t.Run("TLS that is verified opens", func(t *testing.T) {
		dsn := strings.Replace(server.DSN(database, "sslmode=verify-full", "sslrootcert="+server.CertFile), "127.0.0.1", "localhost", 1)
		openPostgresAt(t, sqlstore.PostgresConfig{DSN: dsn})
	})
}

// postgresRecord is like record, by a number that no other writer has.
func postgresRecord(n int) *session.Record { return record(byte(n>>16), n&0xffff) }

func TestPostgres_Killed(t *testing.T) {
	server := testenv.StartPostgres(t, testenv.PostgresConfig{})
	cfg := sqlstore.PostgresConfig{DSN: server.DSN(server.Database(t))}
	if _, err := sqlstore.MigratePostgres(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s := openPostgresAt(t, cfg)
	var answered sync.Map
	var count atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				r := postgresRecord(w<<16 | n)
				if _, err := s.Commit(context.Background(), session.Insert{Record: r}); err != nil {
					if fault.CodeOf(err) != fault.Unavailable {
						t.Error(err)
					}
					return
				}
				answered.Store(r.ID, true)
				if count.Add(1) == 500 {
					close(enough)
				}
			}
		})
	}
	<-enough
	server.Kill()
	wg.Wait()
	t.Run("a store that is down answers unavailable, with a hint, and knows that it cannot write", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.Head(ctx, session.ID{1})
		if _, hint := fault.Public(err); fault.CodeOf(err) != fault.Unavailable || hint == "" || ctx.Err() != nil {
			t.Errorf("got %v, hint %q", err, hint)
		}
		if s.Writable(ctx) == nil {
			t.Error("it is said to be writable")
		}
	})
	server.Restart()
	t.Run("every write that was answered is there after kill -9 of the server", func(t *testing.T) {
		answered.Range(func(id, _ any) bool {
			if r, err := s.Full(t.Context(), id.(session.ID)); err != nil || r == nil || string(r.Attributes["cart"].Value) != "[1]" {
				t.Fatalf("%v of %d answered: %+v, %v", id, count.Load(), r, err)
			}
			return true
		})
	})
	t.Run("and the same store goes on by itself", func(t *testing.T) {
		if _, err := s.Commit(t.Context(), session.Insert{Record: postgresRecord(99 << 16)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Writable(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPostgres_Hung(t *testing.T) {
	server := testenv.StartPostgres(t, testenv.PostgresConfig{Fast: true})
	cfg := sqlstore.PostgresConfig{DSN: server.DSN(server.Database(t))}
	if _, err := sqlstore.MigratePostgres(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s := openPostgresAt(t, cfg)
	server.Freeze()
	thawed := false
	thaw := func() {
		if !thawed {
			server.Thaw()
			thawed = true
		}
	}
	t.Cleanup(thaw)
	for name, call := range map[string]func(context.Context) error{
		"a read": func(ctx context.Context) error { _, err := s.Head(ctx, session.ID{1}); return err },
		"a write": func(ctx context.Context) error {
			_, err := s.Commit(ctx, session.Insert{Record: postgresRecord(1)})
			return err
		},
	} {
		t.Run(name+" that nobody answers is unavailable when its time is over", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			begun := time.Now()
			if err := call(ctx); fault.CodeOf(err) != fault.Unavailable {
				t.Fatalf("got %v", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Fatalf("it took %v", took)
			}
		})
	}
	thaw()
	t.Run("and all goes on when the server does", func(t *testing.T) {
		if _, err := s.Commit(t.Context(), session.Insert{Record: postgresRecord(2)}); err != nil {
			t.Fatal(err)
		}
	})
}
