package sqlstore

import (
	"context"
	"fmt"

	"crossfade.dev/crossfade/internal/sqlite"
)

// sqliteConn is a connection of the engine SQLite. The writer has one, each reader another; in WAL mode they do
// not wait for each other.
type sqliteConn struct{ c *sqlite.Conn }

func openSQLite(path string, pragmas []string) (conn, error) {
	c, err := sqlite.Open(path, pragmas...)
	if err != nil {
		return nil, err
	}
	return sqliteConn{c}, nil
}

func (c sqliteConn) prepare(text string) (statement, error) {
	s, err := c.c.Prepare(text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	return &sqliteStatement{c.c, s}, nil
}

func (c sqliteConn) close() error { return c.c.Close() }

// sqliteStatement is also the row that it stands on.
type sqliteStatement struct {
	c *sqlite.Conn
	s *sqlite.Stmt
}

// exec asks nothing of ctx: a write that has begun is finished.
func (s *sqliteStatement) exec(_ context.Context, args []value) (int64, error) {
	if err := s.bind(args); err != nil {
		return 0, err
	}
	defer s.s.Reset()
	for {
		if more, err := s.s.Step(); err != nil || !more {
			return s.c.Changes(), err
		}
	}
}

// looks is after how many rows a query looks whether its caller still waits. Every query walks an index, so
// that many rows take microseconds; finding one row by its key is done before a look would help.
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
		if err := each(s); err != nil {
			return err
		}
	}
}

func (s *sqliteStatement) bind(args []value) error {
	if have := s.s.Params(); have != len(args) {
		return fmt.Errorf("sqlstore: %d arguments for a statement that takes %d", len(args), have)
	}
	size := 0
	for i := range args {
		size += len(args[i].text) + len(args[i].blob)
	}
	s.s.Reserve(size)
	for i := range args {
		switch a := &args[i]; a.kind {
		case kindNum:
			s.s.BindInt(i+1, a.num)
		case kindText:
			s.s.BindText(i+1, a.text)
		case kindBlob:
			s.s.BindBlob(i+1, a.blob)
		default:
			s.s.BindNull(i + 1)
		}
	}
	return nil
}

func (s *sqliteStatement) int(col int) int64   { return s.s.Int(col) }
func (s *sqliteStatement) blob(col int) []byte { return s.s.Blob(col) }
func (s *sqliteStatement) text(col int) string { return s.s.Text(col) }
