// Package sqlite is a thin binding of SQLite for paths on which database/sql and its driver cost more than
// is worth paying: connections without locks between threads, statements that are prepared once, arguments
// and columns that are not boxed.
//
// Invariant: a Conn and its statements belong to one goroutine at a time. Stores with an embedded engine call
// it for their hot paths; what is not hot (migrations) uses database/sql on the same file.
package sqlite

import (
	"fmt"
	"strings"

	"modernc.org/libc"
	_ "modernc.org/sqlite" // mends the library when it is loaded
	lib "modernc.org/sqlite/lib"
)

// Error is a refusal of SQLite.
type Error struct {
	code int32
	text string
}

// Code is SQLite's extended result code; the lowest eight bits are the primary one.
func (e *Error) Code() int { return int(e.code) }

func (e *Error) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.text, e.code) }

// Conn is one connection.
type Conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts []*Stmt
}

// Open opens a database file, which it makes if it is missing, and carries out the pragmas.
func Open(path string, pragmas ...string) (_ *Conn, err error) {
	if strings.ContainsRune(path, 0) {
		return nil, &Error{lib.SQLITE_CANTOPEN, "the path has a zero byte in it"}
	}
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	c := &Conn{tls: libc.NewTLS()}
	defer libc.Xfree(c.tls, name)
	defer func() {
		if err != nil {
			_ = c.Close() // the first error is the one to tell
		}
	}()
	// Without SQLITE_OPEN_URI a path is only a path, whatever characters are in it. SQLite gives a handle
	// also where it fails, which has to be closed and knows the reason.
	var rc int32
	if c.db, err = c.pointer(func(to uintptr) {
		rc = lib.Xsqlite3_open_v2(c.tls, name, to, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE|lib.SQLITE_OPEN_NOMUTEX|lib.SQLITE_OPEN_EXRESCODE, 0)
	}); err != nil {
		return nil, err
	}
	if err := c.check(rc); err != nil {
		return nil, err
	}
	for _, p := range pragmas {
		if err := c.run("PRAGMA " + p); err != nil {
			return nil, fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	return c, nil
}

// pointer gives what a function leaves at the address that it is called with.
func (c *Conn) pointer(leave func(at uintptr)) (uintptr, error) {
	at := lib.Xsqlite3_malloc64(c.tls, 8)
	if at == 0 {
		return 0, errMemory
	}
	defer lib.Xsqlite3_free(c.tls, at)
	leave(at)
	return libc.AtomicLoadNUintptr(at, 0), nil
}

var errMemory = &Error{lib.SQLITE_NOMEM, "out of memory"}

func (c *Conn) check(rc int32) error {
	if rc == lib.SQLITE_OK {
		return nil
	}
	if c.db == 0 {
		return &Error{rc, libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))}
	}
	return &Error{rc, libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))}
}

// run carries out a statement whose rows, if any, are of no interest.
func (c *Conn) run(text string) error {
	s, err := c.Prepare(text)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = s.Step()
	}
	s.Reset()
	c.stmts = c.stmts[:len(c.stmts)-1]
	s.close()
	return err
}

// Changes is how many rows the statement that was just finished inserted, updated or deleted.
func (c *Conn) Changes() int64 { return int64(lib.Xsqlite3_changes(c.tls, c.db)) }

// Close closes the connection with its statements. Closing twice is closing once.
func (c *Conn) Close() (err error) {
	for _, s := range c.stmts {
		s.close()
	}
	c.stmts = nil
	if c.db != 0 {
		err = c.check(lib.Xsqlite3_close(c.tls, c.db))
		c.db = 0
	}
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
	return err
}
