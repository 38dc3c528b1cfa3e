package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
)

// sqliteConn is a connection of the engine SQLite. The writer has one, each reader another; in WAL mode they do
// not wait for each other.
type sqliteConn struct{ c *sqlite.Conn }

// openSQLite opens a database file and carries out the pragmas. The flags leave OpenURI out, so that a path is
// only a path, whatever characters are in it, and OpenWAL, which the writer's pragmas say.
func openSQLite(path string, pragmas []string) (conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	for _, p := range pragmas {
		if err := carryOut(c, "PRAGMA "+p); err != nil {
			_ = c.Close() // the first error is the one to tell
			return nil, fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	return sqliteConn{c}, nil
}

// carryOut runs a statement once, whose rows, if any, are of no interest.
func carryOut(c *sqlite.Conn, text string) error {
	s, _, err := c.PrepareTransient(text)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = s.Step()
	}
	_ = s.Finalize() // it tells only what the last step told
	return err
}

func (c sqliteConn) prepare(text string) (statement, error) {
	s, err := c.c.Prepare(text)
	if err != nil {
		return nil, err
	}
	return &sqliteStatement{c: c.c, s: s}, nil
}

func (c sqliteConn) close() error { return c.c.Close() }

// sqliteStatement is also the row that it stands on.
type sqliteStatement struct {
	c   *sqlite.Conn
	s   *sqlite.Stmt
	row []byte // copies of the row's blobs, one behind the other, kept to spare allocations
}

// exec asks nothing of ctx: a write that has begun is finished.
func (s *sqliteStatement) exec(_ context.Context, args []value) (int64, error) {
	if err := s.bind(args); err != nil {
		return 0, err
	}
	defer s.s.Reset() // gives locks back; its error is the last step's
	for {
		if more, err := s.s.Step(); err != nil || !more {
			return int64(s.c.Changes()), err
		}
	}
}

// looks is after how many rows a query looks whether its caller still waits. Every query walks an index, so
// that many rows take microseconds; finding one row by its key is done before a look would help. The library's
// own way to interrupt costs a goroutine for each query.
const looks = 64

func (s *sqliteStatement) query(ctx context.Context, args []value, each func(row) error) error {
	if err := s.bind(args); err != nil {
		return err
	}
	defer s.s.Reset()
	for n := 1; ; n++ {
		if more, err := s.s.Step(); err != nil || !more {
			return err
		}
		if n%looks == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.row = s.row[:0]
		if err := each(s); err != nil {
			return err
		}
	}
}

// bind gives every argument anew; what cannot be bound is reported by the first step.
func (s *sqliteStatement) bind(args []value) error {
	if takes := s.s.BindParamCount(); takes != len(args) {
		return fmt.Errorf("sqlstore: %d arguments for a statement that takes %d", len(args), takes)
	}
	for i := range args {
		switch a := &args[i]; a.kind {
		case kindNum:
			s.s.BindInt64(i+1, a.num)
		case kindText:
			s.s.BindText(i+1, a.text)
		case kindBlob:
			s.s.BindBytes(i+1, a.blob)
		default:
			s.s.BindNull(i + 1)
		}
	}
	return nil
}

func (s *sqliteStatement) int(col int) int64   { return s.s.ColumnInt64(col) }
func (s *sqliteStatement) text(col int) string { return s.s.ColumnText(col) }

// blob copies a column behind those that were asked for before. These stay where they are, also when the
// buffer grows into a new place.
func (s *sqliteStatement) blob(col int) []byte {
	n := s.s.ColumnLen(col)
	if n == 0 {
		return nil
	}
	from := len(s.row)
	s.row = slices.Grow(s.row, n)[:from+n]
	s.s.ColumnBytes(col, s.row[from:])
	return s.row[from : from+n : from+n]
}
