package control

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"crossfade.dev/crossfade/control/changelog"
	"crossfade.dev/crossfade/internal/datafile"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/rollout"
)

//go:embed migrations/*.sql
var migrations embed.FS

// store is the embedded database. Its one connection makes every transaction serial.
type store struct {
	db   *sql.DB
	path string
	lock *os.File
}

func openStore(ctx context.Context, path string) (*store, error) {
	lock, err := lock(path)
	if err != nil {
		return nil, err
	}
	s := &store{path: path, lock: lock}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *store) open(ctx context.Context) error {
	if err := datafile.Private(s.path); err != nil {
		return s.failed(err, "open")
	}
	// FULL: a change that was answered survives the power cord. The timeout is for an operator's
	// sqlite3 shell; crossfade itself is alone.
	dsn := "file:" + (&url.URL{Path: s.path}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(2000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return s.failed(err, "open")
	}
	db.SetMaxOpenConns(1)
	s.db = db
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
	if err != nil {
		return s.failed(err, "prepare")
	}
	if _, err := provider.Up(ctx); err != nil {
		return s.failed(err, "migrate")
	}
	return nil
}

func (s *store) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// failed translates what the database says. The cause stays for the log.
func (s *store) failed(err error, doing string) error {
	return fault.Wrap(err, fault.Unavailable, "cannot %s the control database %s", doing, s.path).
		WithHint("check that its disk has room and that this user may write it")
}

// tx is one change under way: it makes the snapshot version that it carries.
type tx struct {
	*sql.Tx
	version uint64
	now     time.Time
}

// state is what a snapshot is made of.
type state struct {
	version  uint64
	rollouts []rollout.Rollout
	revoked  []rollout.MagicID
}

// update runs change in a transaction and answers the state that it leaves, as version: the one after
// the newest that is stored or, if that is higher, the one after published.
func (s *store) update(ctx context.Context, now time.Time, published uint64, change func(*tx) error) (state, error) {
	sqlTx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return state{}, s.failed(err, "write")
	}
	defer sqlTx.Rollback() // does nothing after a commit
	version, err := storedVersion(ctx, sqlTx)
	if err != nil {
		return state{}, s.failed(err, "read")
	}
	t := &tx{Tx: sqlTx, version: max(version, published) + 1, now: now}
	if err := change(t); err != nil {
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return state{}, err // refused, and nothing happened
		}
		return state{}, s.failed(err, "write")
	}
	if _, err := t.ExecContext(ctx, `UPDATE snapshot SET version = ?`, int64(t.version)); err != nil {
		return state{}, s.failed(err, "write")
	}
	out, err := t.load(ctx)
	if err != nil {
		return state{}, s.failed(err, "read")
	}
	if err := t.Commit(); err != nil {
		return state{}, s.failed(err, "write")
	}
	return out, nil
}

// read is the stored state.
func (s *store) read(ctx context.Context, now time.Time) (state, error) {
	sqlTx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return state{}, s.failed(err, "read")
	}
	defer sqlTx.Rollback()
	version, err := storedVersion(ctx, sqlTx)
	if err != nil {
		return state{}, s.failed(err, "read")
	}
	out, err := (&tx{Tx: sqlTx, version: version, now: now}).load(ctx)
	if err != nil {
		return state{}, s.failed(err, "read")
	}
	return out, nil
}

// version is the stored version: reading it shows that the database still answers.
func (s *store) version(ctx context.Context) (uint64, error) {
	v, err := storedVersion(ctx, s.db)
	if err != nil {
		return 0, s.failed(err, "read")
	}
	return v, nil
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func storedVersion(ctx context.Context, q queryer) (v uint64, err error) {
	err = q.QueryRowContext(ctx, `SELECT version FROM snapshot`).Scan(&v)
	return v, err
}

func (t *tx) load(ctx context.Context) (state, error) {
	out := state{version: t.version}
	rows, err := t.QueryContext(ctx, `SELECT body FROM rollouts ORDER BY name`)
	if err != nil {
		return state{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var r rollout.Rollout
		if err := rows.Scan(&body); err != nil {
			return state{}, err
		}
		if err := json.Unmarshal(body, &r); err != nil {
			return state{}, fmt.Errorf("rollout row: %w", err)
		}
		out.rollouts = append(out.rollouts, r)
	}
	if err := rows.Err(); err != nil {
		return state{}, err
	}
	out.revoked, err = t.revokedMagic(ctx)
	return out, err
}

// rollout reads one rollout; a name that does not exist is a fault that lists those which do.
func (t *tx) rollout(ctx context.Context, name string) (rollout.Rollout, error) {
	current, err := t.load(ctx)
	if err != nil {
		return rollout.Rollout{}, err
	}
	return findRollout(current.rollouts, name)
}

func (t *tx) save(ctx context.Context, r rollout.Rollout) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `INSERT INTO rollouts (name, body) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET body = excluded.body`, r.Name, string(body))
	return err
}

func (t *tx) log(ctx context.Context, c changelog.Change) error {
	c.At, c.Version = t.now, t.version
	return changelog.Append(ctx, t.Tx, c)
}
