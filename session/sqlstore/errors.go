package sqlstore

import (
	"context"
	"errors"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"crossfade.dev/crossfade/internal/fault"
)

// resultOf gives SQLite's primary result code of an error; what is none of its errors is ResultError. Migrations
// go through another driver than the rest, whose errors have the code in a method.
func resultOf(err error) sqlite.ResultCode {
	if e, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return sqlite.ResultCode(e.Code()).ToPrimary()
	}
	return sqlite.ErrCode(err).ToPrimary()
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
	switch resultOf(err) {
	case sqlite.ResultFull:
		return fault.Wrap(err, fault.Unavailable, "the session database is full").
			WithHint("free space in %s or raise its limit; what was stored is intact and served, and writing goes on by itself", filepath.Dir(s.path))
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fault.Wrap(err, fault.Internal, "the session database is damaged").
			WithHint("stop crossfade, keep %s for analysis, restore a backup or start with a new file", s.path)
	case sqlite.ResultReadOnly, sqlite.ResultCantOpen, sqlite.ResultPerm:
		return f.WithHint("make %s and its folder writable for this user", s.path)
	case sqlite.ResultIOErr:
		return f.WithHint("check the disk that holds %s", s.path)
	}
	return f
}
