// Package sqlstore keeps sessions in SQL: in an embedded SQLite database of one process ([Store]), or on a
// PostgreSQL server that several share ([Postgres]).
//
// Invariant: a write that was answered is durable, on SQLite through kill -9 and power loss; on PostgreSQL as far
// as the server's disk and synchronous_commit go, which is never let below the disk. What callers have waiting is
// gathered into one transaction, so that the price of one sync is shared; readers have connections of their own and never
// wait for it. Reading is written once for both engines (read.go); writing is not: SQLite has one writer, and on PostgreSQL
// the conditions are decided where the rows are locked. The application opens a store and hands it to session.New.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"crossfade.dev/crossfade/internal/datafile"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Config says where the database is.
type Config struct {
	// Path of the database file; its folder is made if it is missing. Beside it SQLite keeps two files of
	// its own (-wal, -shm), and this package a lock (.lock).
	Path string
	// MaxBytes bounds the file; 0: as much as the disk has. A full database refuses writes with code
	// unavailable and keeps serving what it has.
	MaxBytes int64
	// Readers is the number of reading connections; default 4.
	Readers int
}

// Store is a session.Store. It is safe for concurrent use.
type Store struct {
	reads
	path    string
	lock    *fileLock
	writing conn
	writer  *writer
	readers *readers
	close   sync.Once
	failed  error
}

var _ session.Store = (*Store)(nil)

//go:embed migrations/*.sql
var migrations embed.FS

const pageSize = 4096

// Open opens the database, brings its schema up to date and takes the lock that keeps other processes out.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (_ *Store, err error) {
	if cfg.Path == "" {
		return nil, fault.New(fault.Invalid, "the session database has no path").WithHint("set data.folder in the configuration")
	}
	if cfg.Readers <= 0 {
		cfg.Readers = 4
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "cannot make the folder of the session database").
			WithHint("make %s writable for this user", filepath.Dir(cfg.Path))
	}
	s := &Store{path: cfg.Path}
	s.ask = s.read
	defer func() {
		if err != nil {
			_ = s.Close() // what was opened so far; the first error is the one to tell
		}
	}()
	if s.lock, err = lockFile(cfg.Path + ".lock"); err != nil {
		return nil, err
	}
	if err := datafile.Private(cfg.Path); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "cannot make the session database %s", cfg.Path).
			WithHint("give its folder to the user that crossfade runs as")
	}
	if err := prepare(ctx, cfg); err != nil {
		return nil, s.trouble(err, "bring up to date")
	}
	if s.writing, err = openSQLite(cfg.Path, writePragmas(cfg)); err != nil {
		return nil, s.trouble(err, "open")
	}
	s.readers = newReaders(cfg.Readers, func() (conn, error) { return openSQLite(cfg.Path, readPragmas) })
	if s.writer, err = startWriter(s, log); err != nil {
		return nil, s.trouble(err, "prepare")
	}
	return s, nil
}

// liftMarks starts the revocation sequence no lower than the time. Legacy systems remember marks too: with
// a new database, or one from a backup, a sequence that began again lower would make every later login
// older than the marks of before, and each way back would end it. Lifting it ends nothing here.
const liftMarks = `UPDATE counters SET value = max(value, unixepoch()) WHERE name = 'mark'`

// Close answers what is waiting to be written, and gives the database free. Closing twice is closing once.
func (s *Store) Close() error {
	s.close.Do(func() {
		var errs []error
		note := func(err error) {
			if err != nil {
				errs = append(errs, err)
			}
		}
		if s.writer != nil {
			s.writer.stop()
		}
		if s.readers != nil {
			note(s.readers.close())
		}
		if s.writing != nil { // the last of all, because closing the last tidies the log up
			note(s.writing.close())
		}
		if s.lock != nil {
			note(s.lock.release())
		}
		if len(errs) > 0 {
			s.failed = fault.Wrap(errs[0], fault.Internal, "cannot close the session database")
		}
	})
	return s.failed
}

// writePragmas: with synchronous=FULL each commit syncs the log. A checkpoint each 16 MB of log rather
// than each 4 keeps them rare beside a stream of small commits. The bound on waiting for a lock comes first:
// until then the library waits for ever.
func writePragmas(cfg Config) []string {
	p := []string{
		"busy_timeout(5000)", fmt.Sprintf("page_size(%d)", pageSize), "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(OFF)", "cache_size(-65536)", "wal_autocheckpoint(4096)", "temp_store(MEMORY)",
	}
	if cfg.MaxBytes > 0 {
		p = append(p, fmt.Sprintf("max_page_count(%d)", max(cfg.MaxBytes/pageSize, 1)))
	}
	return p
}

var readPragmas = []string{"busy_timeout(5000)", "query_only(1)", "cache_size(-16384)", "temp_store(MEMORY)"}

// prepare brings the file's schema up to date, with the tool and the connection for that.
func prepare(ctx context.Context, cfg Config) (err error) {
	q := url.Values{"_pragma": writePragmas(cfg)}
	// The path is escaped, or a "?" in it would end it.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: cfg.Path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, liftMarks)
	return err
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	if err := refuseNewer(ctx, p); err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// refuseNewer keeps an older program from writing into a schema that it does not know.
func refuseNewer(ctx context.Context, p *goose.Provider) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if known := sources[len(sources)-1].Version; have > known {
		return fault.New(fault.Precondition, "the session database has schema %d, this program knows up to %d", have, known).
			WithHint("start the newer crossfade, or restore a backup that was made before it")
	}
	return nil
}

// columns in the order that recordOf and tx.insert expect.
const columns = `id, lineage, generation, state, version, subject, reason, created, seen, idle, expires, born, first, used, keep, secret, sealed, head`

func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }
