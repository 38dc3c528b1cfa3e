package sqlstore

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"crossfade.dev/crossfade/internal/fault"
)

// goneHint is for a connection that was there: the next call makes another.
const goneHint = "see that the server of session.store.dsn runs: it was stopped, restarted, or another one has taken over"

// What is told of PostgreSQL's error codes (its manual, appendix A). Everything is unavailable to a caller, who
// has other ways to go on, also what only an operator can mend.
var pgHints = map[string][2]string{
	"28P01": {"the session database refuses the password", "put the right one into the address that session.store.dsn points to"},
	"28000": {"the session database refuses this user", "look at the user in the address behind session.store.dsn, and at the server's pg_hba.conf, which may want TLS: sslmode=require"},
	"3D000": {"there is no such session database", `make it with "createdb", then run "crossfade store migrate"`},
	"3F000": {"the session database has no schema for sessions", `run "crossfade store migrate"`},
	"42P01": {"the session database lacks a table", `run "crossfade store migrate"`},
	"42883": {"the session database lacks a function", `run "crossfade store migrate"`},
	"42501": {"the session database forbids this to its user", "grant it: docs/stores-postgresql.md has the lines"},
	"25006": {"the session database is read-only", "name the primary in session.store.dsn; with several hosts add target_session_attrs=read-write"},
	"25000": {"the session database runs transactions at another isolation level", "ALTER ROLE … SET default_transaction_isolation = 'read committed'"},
	"53300": {"the session database has no connection left", "lower session.store.pool.connections, raise max_connections, or put PgBouncer in front"},
	"53100": {"the session database's disk is full", "free space there; what was stored is intact, and writing goes on by itself"},
	"26000": {"the session database forgot a prepared statement", "a pooler lends another connection each time: say session.store.pool.prepare: false"},
	"42P05": {"the session database has a prepared statement of that name already", "a pooler lends another connection each time: say session.store.pool.prepare: false"},
	"08P01": {"the session database's pooler refuses a setting", "add it to ignore_startup_parameters in pgbouncer.ini"},
	"55P03": {"the session database's rows are held by somebody else", "look for a long transaction in pg_stat_activity"},
	"57P01": {"the session database has ended the connection", goneHint},
	"57P02": {"the session database has ended the connection", goneHint},
	"57P03": {"the session database is starting up or shutting down", "wait for it"},
	"XX001": {"the session database is damaged", "restore a backup"},
}

// trouble translates an error of PostgreSQL once, so that none reaches a caller. Faults pass as they are.
func (p *Postgres) trouble(err error, doing string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return fault.Wrap(err, fault.Unavailable, "the session database did not answer in time")
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if said, known := pgHints[e.Code]; known {
			if (e.Code == "25006" || e.Code == "57P03") && p.pool != nil {
				p.pool.pool.Reset() // after a failover: connect anew, to whoever is the primary now
			}
			return fault.Wrap(err, fault.Unavailable, "%s", said[0]).WithHint("%s", said[1])
		}
		return fault.Wrap(err, fault.Unavailable, "cannot %s the session database", doing)
	}
	if strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ") {
		return fault.Wrap(err, fault.Unavailable, "no trusted connection to the session database").
			WithHint("sslrootcert in the address behind session.store.dsn names the authority to trust; the server needs ssl = on")
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.Wrap(e, fault.Unavailable, "cannot reach the session database").
			WithHint("see that the server of session.store.dsn runs and that this machine may connect to it")
	}
	return fault.Wrap(err, fault.Unavailable, "cannot %s the session database", doing).WithHint("%s", goneHint)
}

// disconnected reports whether an error says nothing of the statement, only that its connection has gone.
func disconnected(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08")
	}
	_, told := errors.AsType[*fault.Error](err)
	return !told && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// lostRace: the server broke a deadlock, or could not order two transactions; nothing was written.
func lostRace(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40P01" || e.Code == "40001")
}

// everybodys reports whether an error has nothing to do with what was asked for: connection, resources,
// operator, privileges, schema, state.
func everybodys(e *pgconn.PgError) bool {
	_, known := pgHints[e.Code]
	for _, class := range []string{"08", "25", "40", "53", "55", "57", "58", "XX"} {
		known = known || strings.HasPrefix(e.Code, class)
	}
	return known
}
