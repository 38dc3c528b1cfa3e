package sqlite

import (
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Stmt is a prepared statement. Its arguments are bound anew for each run:
//
//	s.Reserve(bytes of all texts and blobs)
//	s.BindInt(1, …); s.BindBlob(2, …) …
//	for more, err := s.Step(); more; more, err = s.Step() { s.Int(0) … }
//	s.Reset()
type Stmt struct {
	conn   *Conn
	p      uintptr
	params int
	rc     int32 // of the first argument that could not be bound

	// The arguments of a run lie in one piece of SQLite's memory that is kept for the next: no allocation
	// for each, and nothing of Go's memory in SQLite's hands.
	mem  uintptr
	room []byte // the same memory
	used int
}

// Prepare prepares one statement.
func (c *Conn) Prepare(text string) (*Stmt, error) {
	z, err := libc.CString(text)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, z)
	s := &Stmt{conn: c}
	var rc int32
	if s.p, err = c.pointer(func(to uintptr) {
		rc = lib.Xsqlite3_prepare_v3(c.tls, c.db, z, -1, lib.SQLITE_PREPARE_PERSISTENT, to, 0)
	}); err != nil {
		return nil, err
	}
	if err := c.check(rc); err != nil {
		return nil, err
	}
	if s.p == 0 {
		return nil, &Error{lib.SQLITE_MISUSE, "there is no statement in the text"}
	}
	s.params = int(lib.Xsqlite3_bind_parameter_count(c.tls, s.p))
	c.stmts = append(c.stmts, s)
	return s, nil
}

// Params is how many arguments the statement takes.
func (s *Stmt) Params() int { return s.params }

// minRoom of an argument memory, so that it seldom grows.
const minRoom = 512

// Reserve begins a run whose texts and blobs take so many bytes together. All arguments have to be bound
// after it: those of the run before may be gone.
func (s *Stmt) Reserve(bytes int) {
	s.rc, s.used = lib.SQLITE_OK, 0
	if bytes <= len(s.room) && s.mem != 0 {
		return
	}
	lib.Xsqlite3_free(s.conn.tls, s.mem)
	size := max(minRoom, 2*bytes)
	s.room = nil
	if s.mem = lib.Xsqlite3_malloc64(s.conn.tls, uint64(size)); s.mem == 0 {
		s.rc = lib.SQLITE_NOMEM
		return
	}
	s.room = libc.GoBytes(s.mem, size)
}

// BindInt gives the i-th argument, from 1. What goes wrong with an argument is reported by Step.
func (s *Stmt) BindInt(i int, v int64) {
	s.note(lib.Xsqlite3_bind_int64(s.conn.tls, s.p, int32(i), v))
}

// BindNull gives NULL as the i-th argument.
func (s *Stmt) BindNull(i int) { s.note(lib.Xsqlite3_bind_null(s.conn.tls, s.p, int32(i))) }

// BindBlob gives bytes as the i-th argument. They are copied.
func (s *Stmt) BindBlob(i int, b []byte) {
	if at, ok := s.place(len(b)); ok {
		copy(s.room[at:], b)
		s.note(lib.Xsqlite3_bind_blob(s.conn.tls, s.p, int32(i), s.mem+uintptr(at), int32(len(b)), lib.SQLITE_STATIC))
	}
}

// BindText gives a text, which is UTF-8, as the i-th argument. It is copied.
func (s *Stmt) BindText(i int, t string) {
	if at, ok := s.place(len(t)); ok {
		copy(s.room[at:], t)
		s.note(lib.Xsqlite3_bind_text(s.conn.tls, s.p, int32(i), s.mem+uintptr(at), int32(len(t)), lib.SQLITE_STATIC))
	}
}

// place finds room for an argument: more than was reserved is a mistake of the caller, which must not
// move what is bound already.
func (s *Stmt) place(n int) (at int, ok bool) {
	if s.used+n > len(s.room) {
		s.note(lib.SQLITE_TOOBIG)
		return 0, false
	}
	at = s.used
	s.used += n
	return at, true
}

func (s *Stmt) note(rc int32) {
	if s.rc == lib.SQLITE_OK {
		s.rc = rc
	}
}

// Step runs the statement to its next row, or to its end.
func (s *Stmt) Step() (row bool, err error) {
	if s.rc != lib.SQLITE_OK {
		return false, &Error{s.rc, libc.GoString(lib.Xsqlite3_errstr(s.conn.tls, s.rc))}
	}
	switch rc := lib.Xsqlite3_step(s.conn.tls, s.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.check(rc)
	}
}

// Reset ends a run, wherever it is, so that another can begin. It gives locks back, so it belongs behind
// every run, also behind one that failed; the error of that is the last Step's.
func (s *Stmt) Reset() { lib.Xsqlite3_reset(s.conn.tls, s.p) }

// Int is a column of the row, from 0; NULL is 0.
func (s *Stmt) Int(col int) int64 { return lib.Xsqlite3_column_int64(s.conn.tls, s.p, int32(col)) }

// Blob is a column of the row, NULL and an empty one are nil. The bytes are SQLite's own and hold until the
// next Step or Reset: who wants to keep them, copies them.
func (s *Stmt) Blob(col int) []byte {
	p := lib.Xsqlite3_column_blob(s.conn.tls, s.p, int32(col))
	if p == 0 {
		return nil
	}
	n := int(lib.Xsqlite3_column_bytes(s.conn.tls, s.p, int32(col)))
	return libc.GoBytes(p, n)[:n:n]
}

// Text is a column of the row; NULL is empty. It is a copy.
func (s *Stmt) Text(col int) string { return string(s.Blob(col)) }

// close frees the statement. What finalizing answers is the error of the last run, which was told.
func (s *Stmt) close() {
	lib.Xsqlite3_finalize(s.conn.tls, s.p)
	lib.Xsqlite3_free(s.conn.tls, s.mem)
	s.p, s.mem, s.room = 0, 0, nil
}
