package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/inventory"
)

// TableConfig says where the session table is and how to treat it.
type TableConfig struct {
	Keys    Keys
	Table   string        // empty: django_session
	Timeout time.Duration // of one statement
	Kind    string        // db or cached_db, for the report
}

// Table is the session table of the engines db and cached_db. It is read in short read-only transactions, so that it
// holds no lock and keeps no old rows alive.
type Table struct {
	cfg     TableConfig
	db      *sql.DB
	dialect dialect
	name    string // for people
}

// dialect is what differs between engines.
type dialect struct {
	mark    func(n int) string // a parameter
	expires string             // the expression that reads expire_date as text, in UTC
	now     func(t time.Time) any
	begin   func(timeout time.Duration) string // a statement at the start of each transaction; empty: none
	guess   string                             // estimates the number of rows of table $1; empty: cannot
}

const (
	run        = 5  // rows from one random place: keys are random, so neighbours have nothing in common
	batch      = 50 // rows fetched by one statement
	timeLayout = "2006-01-02 15:04:05.999999"
)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func newTable(cfg TableConfig, db *sql.DB, d dialect, name string) (*Table, error) {
	if cfg.Table == "" {
		cfg.Table = "django_session"
	}
	if !identifier.MatchString(cfg.Table) {
		return nil, fault.New(fault.Invalid, "%q is not the name of a table", cfg.Table).WithHint("write it like django_session or schema.django_session")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	db.SetMaxOpenConns(1)
	return &Table{cfg: cfg, db: db, dialect: d, name: name + ", table " + cfg.Table}, nil
}

// Close gives the connection back.
func (t *Table) Close() { _ = t.db.Close() }

// Sample implements [inventory.Source].
func (t *Table) Sample(ctx context.Context, plan *inventory.Plan) (inventory.Store, error) {
	store := inventory.Store{Kind: t.cfg.Kind, Name: t.name, Rows: -1, Live: -1}
	if err := t.count(ctx, &store); err != nil {
		return store, err
	}
	live, err := t.liveKeys(ctx, plan)
	if err != nil {
		return store, err
	}
	if len(live) <= plan.Limit {
		store.Live = int64(len(live))
		err := t.give(ctx, plan, live)
		store.Whole = err == nil
		return store, err
	}
	return store, t.wander(ctx, plan)
}

// wander reads a few rows from each of many random places, until enough live ones were found.
func (t *Table) wander(ctx context.Context, plan *inventory.Plan) error {
	for stale := 0; !plan.Done() && stale < 20; stale++ {
		var keys []string
		for range batch / run {
			found, err := t.keys(ctx, "session_key >= "+t.dialect.mark(1)+" ORDER BY session_key", run, plan.RandomKey())
			if err != nil {
				return err
			}
			for _, key := range found {
				if !plan.Seen(key) {
					keys = append(keys, key)
				}
			}
		}
		if len(keys) > 0 {
			stale = -1
		}
		if err := t.fetch(ctx, plan, keys); err != nil {
			return err
		}
	}
	return nil
}

// give reads the sessions of these keys.
func (t *Table) give(ctx context.Context, plan *inventory.Plan, keys []string) error {
	for len(keys) > 0 && !plan.Done() {
		n := min(batch, len(keys))
		if err := t.fetch(ctx, plan, keys[:n]); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// liveKeys are the keys of all live sessions, or of one more than the limit, which is to say: there are too many.
func (t *Table) liveKeys(ctx context.Context, plan *inventory.Plan) ([]string, error) {
	return t.keys(ctx, "expire_date > "+t.dialect.mark(1), plan.Limit+1, t.dialect.now(plan.Now))
}

func (t *Table) keys(ctx context.Context, where string, limit int, argument any) ([]string, error) {
	var out []string
	query := fmt.Sprintf("SELECT session_key FROM %s WHERE %s LIMIT %d", t.cfg.Table, where, limit)
	err := t.query(ctx, query, []any{argument}, func(r *sql.Rows) error {
		var key string
		if err := r.Scan(&key); err != nil {
			return err
		}
		out = append(out, key)
		return nil
	})
	return out, err
}

// fetch reads rows by their keys. What is larger than would be looked at is not even sent.
func (t *Table) fetch(ctx context.Context, plan *inventory.Plan, keys []string) error {
	if len(keys) == 0 {
		return ctx.Err()
	}
	marks, arguments := make([]string, len(keys)), make([]any, len(keys))
	for i, key := range keys {
		marks[i], arguments[i] = t.dialect.mark(i+1), key
	}
	query := fmt.Sprintf("SELECT session_key, length(session_data), substr(session_data, 1, %d), %s FROM %s WHERE session_key IN (%s)",
		2*MaxPayload+1, t.dialect.expires, t.cfg.Table, strings.Join(marks, ", "))
	err := t.query(ctx, query, arguments, func(r *sql.Rows) error {
		var key, text, expires string
		var size int
		if err := r.Scan(&key, &size, &text, &expires); err != nil {
			return err
		}
		s, _ := t.cfg.Keys.fromText(key, text)
		s.Size = size
		if s.Expires, _ = time.Parse(timeLayout, expires); s.Expires.IsZero() {
			s.Expires = plan.Now.Add(-time.Second) // no date that Django would take for one: not live
		}
		plan.Give(s)
		return nil
	})
	if err != nil {
		return err
	}
	return plan.Pause(ctx, len(keys))
}

// count says how many rows there are: by the engine's own estimate for a large table, else exactly.
func (t *Table) count(ctx context.Context, store *inventory.Store) error {
	one := func(query string, arguments ...any) error {
		return t.query(ctx, query, arguments, func(r *sql.Rows) error { return r.Scan(&store.Rows) })
	}
	if t.dialect.guess != "" {
		if err := one(t.dialect.guess, t.cfg.Table); err != nil {
			return err
		}
	}
	if store.Rows >= 100_000 {
		return nil
	}
	err := one("SELECT count(*) FROM " + t.cfg.Table)
	if store.Exact = err == nil; fault.CodeOf(err) == fault.Exhausted { // too slow to be counted
		store.Rows, err = -1, nil
	}
	return err
}

// query runs one statement in a read-only transaction of its own.
func (t *Table) query(ctx context.Context, query string, arguments []any, each func(*sql.Rows) error) error {
	limited, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	err := t.inTransaction(limited, query, arguments, each)
	if err == nil {
		return nil
	}
	return t.explain(ctx, limited, err)
}

func (t *Table) inTransaction(ctx context.Context, query string, arguments []any, each func(*sql.Rows) error) error {
	tx, err := t.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // there is nothing to commit
	if first := t.dialect.begin(t.cfg.Timeout); first != "" {
		if _, err := tx.ExecContext(ctx, first); err != nil {
			return err
		}
	}
	rows, err := tx.QueryContext(ctx, query, arguments...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// explain says what to do about a failure.
func (t *Table) explain(outer, limited context.Context, err error) error {
	text := err.Error()
	switch {
	case outer.Err() != nil:
		return outer.Err()
	case limited.Err() != nil || strings.Contains(text, "statement timeout"):
		return fault.Wrap(err, fault.Exhausted, "%s did not answer within %s", t.name, t.cfg.Timeout).
			WithHint("ask again when it has less to do, or allow more time: --timeout 30s")
	case strings.Contains(text, "no such table"), strings.Contains(text, "42P01"):
		return fault.Wrap(err, fault.NotFound, "%s has no table %s", strings.Split(t.name, ", table")[0], t.cfg.Table).
			WithHint("check the name of the database; a table that the site named otherwise: --table NAME")
	case strings.Contains(text, "42501"):
		return fault.Wrap(err, fault.Denied, "this user may not read %s", t.cfg.Table).WithHint("GRANT SELECT ON %s TO the user of the address", t.cfg.Table)
	case strings.Contains(text, "no such column"), strings.Contains(text, "42703"):
		return fault.Wrap(err, fault.Invalid, "%s is not a session table of Django's", t.cfg.Table).
			WithHint("it needs session_key, session_data and expire_date; for an engine of the site's own use --from bridge")
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "cannot read %s: %v", t.name, err).WithHint("check the address, the user and its password, and that the database can be reached from here")
}
