package sqlstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"crossfade.dev/crossfade/internal/fault"
)

// pgStatement names what is said to PostgreSQL: the readings that all engines share come first.
type pgStatement int

const (
	pgJudged pgStatement = pgStatement(readingCount) + iota
	pgAgainst
	pgCommit
	pgSweepSessions
	pgSweepTombstones
	pgSweepKeys
	pgSweepMarks
	pgProbe
	pgHello
	pgStatementCount
)

var pgText = func() (out [pgStatementCount]string) {
	for i, text := range readingText {
		out[i] = portable(text)
	}
	for st, text := range map[pgStatement]string{
		pgJudged: `SELECT ` + columns + `, (SELECT value FROM counters WHERE name = 'mark'), (SELECT mark FROM marks WHERE marks.subject = ''),
			(SELECT mark FROM marks WHERE marks.subject = s.subject), (SELECT 1 FROM tombstones WHERE tombstones.lineage = ?1)
			FROM (SELECT 1) AS one LEFT JOIN sessions AS s ON s.id = ?1`,
		pgAgainst: `SELECT (SELECT value FROM counters WHERE name = 'mark'), (SELECT mark FROM marks WHERE subject = ''),
			(SELECT mark FROM marks WHERE subject = ? AND subject <> '')`,
		pgCommit: `SELECT refused, said FROM commit_1(` + placeholders(3+opColumns) + `)`,
		// Rows that others hold are passed by: another sweeper has them, or they are in use. No sweep holds more
		// than its limit, so none makes a request wait for long.
		pgSweepSessions: `WITH looked AS (
				SELECT id, greatest(keep, CASE WHEN state < 3 THEN least(expires, seen + idle) ELSE expires END) AS until
				FROM sessions WHERE due <= ?1 ORDER BY due LIMIT ?2 FOR UPDATE SKIP LOCKED
			), gone AS (
				DELETE FROM sessions AS s USING looked WHERE s.id = looked.id AND looked.until <= ?1
			), later AS (
				UPDATE sessions AS s SET due = looked.until FROM looked WHERE s.id = looked.id AND looked.until > ?1
			) SELECT count(*) FROM looked`,
		pgSweepTombstones: `WITH gone AS (
				DELETE FROM tombstones WHERE lineage IN (
					SELECT lineage FROM tombstones WHERE keep <= ? AND end_id = 0 ORDER BY keep LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING 1
			) SELECT count(*) FROM gone`,
		pgSweepKeys: `WITH gone AS (
				DELETE FROM legacy_keys WHERE hash IN (
					SELECT hash FROM legacy_keys WHERE keep <= ? ORDER BY keep LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING 1
			) SELECT count(*) FROM gone`,
		pgSweepMarks: `DELETE FROM marks WHERE subject <> '' AND at <= ?`,
		pgProbe:      `UPDATE counters SET value = value + 1 WHERE name = 'probe'`,
		pgHello:      `SELECT pg_notify('` + channel + `', ?)`,
	} {
		out[st] = portable(text)
	}
	return out
}()

var (
	tables      = regexp.MustCompile(`\b(FROM|JOIN|UPDATE|INTO|USING) (sessions|tombstones|legacy_keys|marks|counters|outbox|notes|commit_1)\b`)
	placeholder = regexp.MustCompile(`\?\d*`)
)

// portable gives a text that SQLite takes as it stands the numbers and the schema that PostgreSQL needs.
func portable(text string) string {
	n := 0
	text = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if p != "?" {
			return "$" + p[1:]
		}
		n++
		return "$" + strconv.Itoa(n)
	})
	return tables.ReplaceAllString(text, "$1 crossfade.$2")
}

// pgPool lends connections to the server.
type pgPool struct {
	pool       *pgxpool.Pool
	unprepared bool
	closed     atomic.Bool
}

const (
	// connectWithin bounds opening a connection, so that of several hosts a dead one is given up.
	connectWithin = 5 * time.Second
	// unanswered is after how long without an acknowledgement a connection counts as dead, though nobody
	// closed it: a firewall that drops packets tells nobody.
	unanswered = 5 * time.Second
)

// parseDSN reads an address; field is where it comes from, for the error, which repeats nothing of it.
func parseDSN(dsn, field string) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, badDSN(field)
	}
	finish(cfg)
	return cfg, nil
}

func badDSN(field string) error {
	return fault.New(fault.Invalid, "the address behind %s is not one of PostgreSQL's, or names a file that cannot be read", field).
		WithHint("write postgres://user:password@host:5432/database?sslmode=verify-full, with what is special in the password %%-encoded, or libpq's key=value pairs")
}

func finish(cfg *pgconn.Config) {
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > connectWithin {
		cfg.ConnectTimeout = connectWithin
	}
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: unanswered, Interval: time.Second, Count: 5,
	}, Control: giveUpAfter(unanswered)}
	cfg.DialFunc = dialer.DialContext
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "crossfade"
	}
}

func newPgPool(ctx context.Context, c PostgresConfig) (*pgPool, error) {
	cfg, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, badDSN("session.store.dsn")
	}
	finish(&cfg.ConnConfig.Config)
	cfg.MaxConns = int32(c.Connections)
	cfg.MinIdleConns = min(pgWriters, cfg.MaxConns)
	cfg.MaxConnLifetimeJitter = cfg.MaxConnLifetime / 10 // they are not all made anew at once
	cfg.PingTimeout = time.Second
	if !c.Unprepared {
		cfg.AfterConnect = prepareAll
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the connections to the session database cannot be set up")
	}
	return &pgPool{pool: pool, unprepared: c.Unprepared}, nil
}

// close waits for what is under way, and refuses what comes later.
func (p *pgPool) close() {
	p.closed.Store(true)
	p.pool.Close()
}

// prepared is the key of a connection's statements among its custom data.
const prepared = "crossfade"

// prepareAll prepares every statement on a new connection, in one round trip.
func prepareAll(ctx context.Context, c *pgx.Conn) (err error) {
	line := c.PgConn().StartPipeline(ctx)
	defer func() { err = errors.Join(err, line.Close()) }()
	for st, text := range pgText {
		line.SendPrepare(preparedAs(st), text, nil)
	}
	if err := line.Sync(); err != nil {
		return err
	}
	all := new([pgStatementCount]*pgconn.StatementDescription)
	for st := range all {
		got, err := line.GetResults()
		if err != nil {
			return err
		}
		described, ok := got.(*pgconn.StatementDescription)
		if !ok {
			return fmt.Errorf("sqlstore: prepared %T", got)
		}
		described.Name = preparedAs(st)
		all[st] = described
	}
	c.PgConn().CustomData()[prepared] = all
	return nil
}

func preparedAs(st int) string { return "crossfade_" + strconv.Itoa(st) }

// run says one statement in one round trip. each, if there is one, is called for every row, which holds only for
// that call; its first error ends the reading.
func (p *pgPool) run(ctx context.Context, st pgStatement, args []value, each func(row) error) error {
	var few [4][]byte
	values := few[:0]
	for i := range args {
		values = append(values, args[i].binary())
	}
	return p.send(ctx, st, values, each)
}

var binaryFormat = []int16{pgx.BinaryFormatCode}

func (p *pgPool) send(ctx context.Context, st pgStatement, values [][]byte, each func(row) error) error {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		if p.closed.Load() {
			return errClosed
		}
		return err
	}
	defer c.Release()
	conn := c.Conn().PgConn()
	var answer *pgconn.ResultReader
	if p.unprepared {
		answer = conn.ExecParams(ctx, pgText[st], values, nil, binaryFormat, binaryFormat)
	} else {
		all, _ := conn.CustomData()[prepared].(*[pgStatementCount]*pgconn.StatementDescription) // see prepareAll
		answer = conn.ExecStatement(ctx, all[st], values, binaryFormat, binaryFormat)
	}
	r := &pgRow{}
	var told error
	for answer.NextRow() {
		if r.values = answer.Values(); told == nil && each != nil {
			told = each(r)
		}
	}
	if _, err := answer.Close(); err != nil {
		return err
	}
	return told
}

// pgRow is a row in PostgreSQL's binary form.
type pgRow struct{ values [][]byte }

func (r *pgRow) blob(col int) []byte { return r.values[col] }
func (r *pgRow) text(col int) string { return string(r.values[col]) }

func (r *pgRow) int(col int) int64 {
	switch v := r.values[col]; len(v) {
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 1: // a truth value
		return int64(v[0])
	}
	return 0
}

// binary is an argument in PostgreSQL's binary form; nil is NULL.
func (v *value) binary() []byte {
	switch v.kind {
	case kindNum:
		return binary.BigEndian.AppendUint64(nil, uint64(v.num))
	case kindText:
		return append([]byte{}, v.text...)
	case kindBlob:
		if v.blob == nil {
			return []byte{}
		}
		return v.blob
	}
	return nil
}

// checkServer refuses what sessions cannot live on.
func checkServer(ctx context.Context, c *pgconn.PgConn) error {
	row, err := one(ctx, c, `SELECT current_setting('server_version_num'), current_setting('server_version'), pg_is_in_recovery()::text,
		current_setting('transaction_read_only'), current_setting('default_transaction_isolation'), current_setting('server_encoding')`)
	if err != nil {
		return err
	}
	if number, err := strconv.Atoi(row[0]); err != nil || number < 130000 {
		return fault.New(fault.Precondition, "the session database runs PostgreSQL %s, needs 13 or later", row[1]).
			WithHint("upgrade the server, or name another in session.store.dsn")
	}
	if row[2] != "false" {
		return readOnly("is a replica, which takes no writes")
	}
	if row[3] != "off" {
		return readOnly("is read-only")
	}
	if row[4] != "read committed" {
		return fault.New(fault.Precondition, "transactions of the session database are at isolation level %s, needs read committed", row[4]).
			WithHint("ALTER ROLE … SET default_transaction_isolation = 'read committed'")
	}
	if row[5] != "UTF8" {
		return fault.New(fault.Precondition, "the session database is encoded as %s, needs UTF8", row[5]).
			WithHint("make it with: createdb --encoding=UTF8 --template=template0 …")
	}
	return nil
}

func readOnly(what string) error {
	return fault.New(fault.Precondition, "the session database %s", what).
		WithHint("name the primary in session.store.dsn; with several hosts add target_session_attrs=read-write")
}

// one reads a single row as text, without preparing anything.
func one(ctx context.Context, c *pgconn.PgConn, sql string) ([]string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return nil, fmt.Errorf("sqlstore: %s gave no row", strings.Fields(sql)[0])
	}
	var out []string
	for _, v := range results[0].Rows[0] {
		out = append(out, string(v))
	}
	return out, nil
}
