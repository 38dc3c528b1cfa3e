package sqlstore

import (
	"context"
	"errors"
	"path/filepath"

	sqlite3 "modernc.org/sqlite/lib"

	"crossfade.dev/crossfade/internal/fault"
)

// coded is an error of SQLite, of our binding or of the driver that migrations use.
type coded interface {
	error
	Code() int
}

// trouble translates an error of SQLite once, so that none reaches a caller. Faults pass as they are.
func (s *Store) trouble(err error, doing string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Unavailable, "the session database did not answer in time")
	}
	f := fault.Wrap(err, fault.Unavailable, "cannot %s the session database", doing)
	e, ok := errors.AsType[coded](err)
	if !ok {
		return f
	}
	switch e.Code() & 0xff { // the rest of the code is detail
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(err, fault.Unavailable, "the session database is full").
			WithHint("free space in %s or raise its limit; what was stored is intact and served, and writing goes on by itself", filepath.Dir(s.path))
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(err, fault.Internal, "the session database is damaged").
			WithHint("stop crossfade, keep %s for analysis, restore a backup or start with a new file", s.path)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return f.WithHint("make %s and its folder writable for this user", s.path)
	case sqlite3.SQLITE_IOERR:
		return f.WithHint("check the disk that holds %s", s.path)
	}
	return f
}
