package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"crossfade.dev/crossfade/internal/fault"
)

//go:embed postgres/*.sql
var postgresMigrations embed.FS

// schemaTable remembers which migrations were carried out.
const schemaTable = "crossfade.schema_version"

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied time.Time // zero: not yet
	Now     bool      // by this very call
}

// migrating keeps two processes from migrating at once, as a key of an advisory lock: "crossfad".
const migrating = 0x63726f7373666164

// lockWithin is how long a change of the schema waits for a table. Who waits for it to get one waits in line,
// and every request behind it: rather give up and try again later.
const lockWithin = 2 * time.Second

// MigratePostgres brings the schema up to date, beside programs that use the older one.
func MigratePostgres(ctx context.Context, cfg PostgresConfig) ([]Migration, error) {
	return withMigrations(ctx, cfg, func(p *goose.Provider) ([]Migration, error) {
		var done []*goose.MigrationResult
		var err error
		for attempt := 1; ; attempt++ {
			var some []*goose.MigrationResult
			some, err = p.Up(ctx)
			if partial, ok := errors.AsType[*goose.PartialError](err); ok {
				some = partial.Applied
			}
			done = append(done, some...)
			e, waited := errors.AsType[*pgconn.PgError](err)
			if !waited || e.Code != "55P03" || attempt == 5 {
				break
			}
			select { // somebody holds a table
			case <-time.After(time.Duration(attempt) * time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if err != nil {
			return nil, err
		}
		all, err := migrationsOf(ctx, p)
		for _, r := range done {
			for i := range all {
				all[i].Now = all[i].Now || all[i].Version == r.Source.Version
			}
		}
		return all, err
	}, true)
}

// PostgresMigrations lists the steps of the schema, done or not, and changes nothing.
func PostgresMigrations(ctx context.Context, cfg PostgresConfig) ([]Migration, error) {
	p := &Postgres{cfg: cfg}
	direct, err := parseDSN(cfg.direct(), "session.store.watch_dsn")
	if err != nil {
		return nil, err
	}
	c, err := pgconn.ConnectConfig(ctx, direct)
	if err != nil {
		return nil, p.trouble(err, "open")
	}
	have, err := schemaVersion(ctx, c)
	if err := errors.Join(err, c.Close(ctx)); err != nil {
		return nil, p.trouble(err, "check")
	}
	if have == 0 {
		return sources(), nil
	}
	return withMigrations(ctx, cfg, func(g *goose.Provider) ([]Migration, error) { return migrationsOf(ctx, g) }, false)
}

func withMigrations(ctx context.Context, c PostgresConfig, do func(*goose.Provider) ([]Migration, error), make bool) (all []Migration, err error) {
	p := &Postgres{cfg: c}
	defer func() {
		if err != nil {
			all, err = nil, p.trouble(err, "migrate")
		}
	}()
	cfg, err := pgx.ParseConfig(c.direct())
	if err != nil {
		return nil, badDSN("session.store.watch_dsn")
	}
	finish(&cfg.Config)
	cfg.RuntimeParams["lock_timeout"] = strconv.FormatInt(lockWithin.Milliseconds(), 10)
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	if make {
		if err := makeSchema(ctx, cfg, db); err != nil {
			return nil, err
		}
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrating))
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(postgresMigrations, "postgres")
	if err != nil {
		return nil, err
	}
	g, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithTableName(schemaTable), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, err
	}
	if have, err := g.GetDBVersion(ctx); err != nil {
		return nil, err
	} else if known := latestSchema(); have > known {
		return nil, newerSchema(have, known)
	}
	return do(g)
}

// makeSchema looks at the server and makes the schema that everything is in, where it is not there yet.
func makeSchema(ctx context.Context, cfg *pgx.ConnConfig, db *sql.DB) error {
	c, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	if err != nil {
		return err
	}
	if err := errors.Join(checkServer(ctx, c), c.Close(ctx)); err != nil {
		return err
	}
	var there bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'crossfade')`).Scan(&there); err != nil || there {
		return err
	}
	_, err = db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS crossfade`)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "23505" || e.Code == "42P06") {
		return nil // another process was as fast
	}
	return err
}

func migrationsOf(ctx context.Context, p *goose.Provider) (all []Migration, _ error) {
	states, err := p.Status(ctx)
	for _, s := range states {
		all = append(all, Migration{Version: s.Source.Version, Name: path.Base(s.Source.Path), Applied: s.AppliedAt})
	}
	return all, err
}

// sources are the migrations that this program has, in order.
func sources() (all []Migration) {
	files, err := fs.ReadDir(postgresMigrations, "postgres")
	if err != nil {
		panic("sqlstore: the embedded migrations are gone: " + err.Error())
	}
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic("sqlstore: an embedded migration without a number: " + f.Name())
		}
		all = append(all, Migration{Version: version, Name: f.Name()})
	}
	return all
}

func latestSchema() int64 {
	all := sources()
	return all[len(all)-1].Version
}

// schemaVersion is 0 where there is no schema.
func schemaVersion(ctx context.Context, c *pgconn.PgConn) (int64, error) {
	row, err := one(ctx, c, `SELECT coalesce(max(version_id), 0) FROM `+schemaTable+` WHERE is_applied`)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "42P01" || e.Code == "3F000") {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(row[0], 10, 64)
}

func newerSchema(have, known int64) error {
	return fault.New(fault.Precondition, "the session database has schema %d, this program knows up to %d", have, known).
		WithHint("start the newer crossfade, or restore a backup that was made before it")
}
