package django

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"crossfade.dev/crossfade/internal/fault"
)

// OpenTable opens the session table at an address: a PostgreSQL URL or keyword string, or an SQLite file. It makes no
// connection yet.
func OpenTable(address string, cfg TableConfig) (*Table, error) {
	scheme, _, found := strings.Cut(address, ":")
	switch {
	case address == "":
		return nil, fault.New(fault.Invalid, "no address of the database").
			WithHint("give --db postgres://user@host/name or --db path/to/db.sqlite3, or set CROSSFADE_LEGACY_DB")
	case found && (scheme == "mysql" || scheme == "mariadb" || scheme == "oracle" || scheme == "mysql2"):
		return nil, fault.New(fault.Invalid, "%s is not read directly", scheme).
			WithHint("use --from bridge: Crossfade's package inside the Django site reads what Django reads")
	case scheme == "postgres" || scheme == "postgresql" || strings.Contains(address, "dbname=") || strings.Contains(address, "host="):
		return openPostgres(address, cfg)
	}
	return openSQLite(strings.TrimPrefix(strings.TrimPrefix(address, "sqlite:"), "//"), cfg)
}

func openPostgres(address string, cfg TableConfig) (*Table, error) {
	c, err := pgx.ParseConfig(address)
	if err != nil { // its text quotes the address, and so may the password
		return nil, fault.New(fault.Invalid, "the address of the database cannot be read").
			WithHint("write it like postgres://user@host:5432/name?sslmode=require, and the password into PGPASSWORD or ~/.pgpass")
	}
	// Works through PgBouncer in transaction mode too: nothing is prepared, and nothing set outlives its transaction.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.RuntimeParams["application_name"] = "crossfade inventory"
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	return newTable(cfg, stdlib.OpenDB(*c), dialect{
		mark:    func(n int) string { return "$" + strconv.Itoa(n) },
		expires: `to_char(expire_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
		now:     func(t time.Time) any { return t },
		begin: func(d time.Duration) string {
			return "SET LOCAL statement_timeout = " + strconv.FormatInt(d.Milliseconds(), 10)
		},
		guess: "SELECT greatest(reltuples, -1)::bigint FROM pg_class WHERE oid = to_regclass($1)",
	}, "PostgreSQL "+c.Host+", database "+c.Database)
}

func openSQLite(path string, cfg TableConfig) (*Table, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "there is no database file %s", path).
			WithHint("DATABASES in the Django settings has its NAME; a server's address begins with postgres://")
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "cannot find %s", path)
	}
	address := (&url.URL{Scheme: "file", Path: full, RawQuery: "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(2000)"}).String()
	db, err := sql.Open("sqlite", address)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "cannot open %s", path)
	}
	return newTable(cfg, db, dialect{
		mark:    func(int) string { return "?" },
		expires: "CAST(expire_date AS TEXT)",
		now:     func(t time.Time) any { return t.UTC().Format("2006-01-02 15:04:05.000000") },
		begin:   func(time.Duration) string { return "" },
	}, "SQLite "+filepath.Base(path))
}
