package sqlite_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"

	"crossfade.dev/crossfade/internal/sqlite"
)

func open(t testing.TB, pragmas ...string) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.Open(filepath.Join(t.TempDir(), "a?b #c.db"), pragmas...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func prepare(t testing.TB, c *sqlite.Conn, text string) *sqlite.Stmt {
	t.Helper()
	s, err := c.Prepare(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run takes a statement to its end.
func run(t testing.TB, s *sqlite.Stmt) {
	t.Helper()
	defer s.Reset()
	for more := true; more; {
		var err error
		if more, err = s.Step(); err != nil {
			t.Fatal(err)
		}
	}
}

func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return -1
}

func TestStmt(t *testing.T) {
	c := open(t)
	run(t, prepare(t, c, `CREATE TABLE kept (id INTEGER PRIMARY KEY, words TEXT, bytes BLOB) STRICT`))
	insert, find := prepare(t, c, `INSERT INTO kept VALUES (?, ?, ?)`), prepare(t, c, `SELECT id, words, bytes FROM kept WHERE id = ?`)
	put := func(id int64, words string, b []byte) {
		insert.Reserve(len(words) + len(b))
		insert.BindInt(1, id)
		insert.BindText(2, words)
		insert.BindBlob(3, b)
		run(t, insert)
		clear(b) // it was copied
	}
	look := func(id int64) bool {
		find.Reserve(0)
		find.BindInt(1, id)
		row, err := find.Step()
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	t.Run("what was bound comes back, whatever its size", func(t *testing.T) {
		for id, n := range []int{0, 1, 511, 513, 70_000, 3} {
			words := strings.Repeat("é\x00", n)
			put(int64(id), words, bytes.Repeat([]byte{0, 255}, n))
			if c.Changes() != 1 {
				t.Errorf("%d rows changed", c.Changes())
			}
			if !look(int64(id)) || find.Int(0) != int64(id) || find.Text(1) != words || !bytes.Equal(find.Blob(2), bytes.Repeat([]byte{0, 255}, n)) {
				t.Errorf("%d bytes did not come back", n)
			}
			find.Reset()
		}
	})
	t.Run("NULL is 0, nil and empty", func(t *testing.T) {
		insert.Reserve(0)
		insert.BindInt(1, 100)
		insert.BindNull(2)
		insert.BindNull(3)
		run(t, insert)
		if !look(100) || find.Int(1) != 0 || find.Text(1) != "" || find.Blob(2) != nil {
			t.Error("it is something")
		}
		find.Reset()
	})
	t.Run("no row is no error", func(t *testing.T) {
		if look(-1) {
			t.Error("there is a row")
		}
		find.Reset()
	})
	t.Run("a refused run says why, and the next works", func(t *testing.T) {
		insert.Reserve(0)
		insert.BindInt(1, 100)
		if _, err := insert.Step(); code(err) != lib.SQLITE_CONSTRAINT || !strings.Contains(err.Error(), "kept.id") {
			t.Errorf("got %v", err)
		}
		insert.Reset()
		put(101, "on", nil)
	})
	t.Run("more than was reserved is refused", func(t *testing.T) {
		insert.Reserve(1)
		insert.BindInt(1, 102)
		insert.BindBlob(3, make([]byte, 1<<20))
		if _, err := insert.Step(); code(err) != lib.SQLITE_TOOBIG {
			t.Errorf("got %v", err)
		}
		insert.Reset()
	})
	t.Run("an argument that the statement does not have is refused", func(t *testing.T) {
		if insert.Params() != 3 {
			t.Errorf("it takes %d", insert.Params())
		}
		insert.Reserve(0)
		insert.BindInt(4, 1)
		if _, err := insert.Step(); code(err) != lib.SQLITE_RANGE {
			t.Errorf("got %v", err)
		}
		insert.Reset()
	})
}

func TestConn(t *testing.T) {
	t.Run("pragmas are carried out", func(t *testing.T) {
		c := open(t, "journal_mode(WAL)", "query_only(1)")
		s := prepare(t, c, `PRAGMA journal_mode`)
		if row, err := s.Step(); err != nil || !row || s.Text(0) != "wal" {
			t.Errorf("%v %v %q", row, err, s.Text(0))
		}
		s.Reset()
		if _, err := prepare(t, c, `PRAGMA user_version = 3`).Step(); code(err) != lib.SQLITE_READONLY {
			t.Errorf("got %v", err)
		}
	})
	t.Run("text that is no statement is refused", func(t *testing.T) {
		c := open(t)
		for _, text := range []string{"", "-- nothing", "SELEC 1", "SELECT * FROM missing"} {
			if _, err := c.Prepare(text); code(err) <= 0 {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
	t.Run("a path that cannot be is refused", func(t *testing.T) {
		for _, path := range []string{t.TempDir(), "/dev/null/a.db", "a\x00b"} {
			if _, err := sqlite.Open(path); code(err) != lib.SQLITE_CANTOPEN {
				t.Errorf("%q: %v", path, err)
			}
		}
	})
	t.Run("closing in the middle of a row, and twice, is fine", func(t *testing.T) {
		c := open(t)
		if row, err := prepare(t, c, `SELECT 1`).Step(); err != nil || !row {
			t.Fatal(row, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkStmt(b *testing.B) {
	c := open(b)
	run(b, prepare(b, c, `CREATE TABLE kept (id BLOB PRIMARY KEY, bytes BLOB) WITHOUT ROWID`))
	insert := prepare(b, c, `INSERT INTO kept VALUES (?, ?)`)
	id, data := []byte("0123456789abcdef"), make([]byte, 300)
	insert.Reserve(len(id) + len(data))
	insert.BindBlob(1, id)
	insert.BindBlob(2, data)
	run(b, insert)
	find := prepare(b, c, `SELECT bytes FROM kept WHERE id = ?`)
	b.ReportAllocs()
	for b.Loop() {
		find.Reserve(len(id))
		find.BindBlob(1, id)
		if row, err := find.Step(); err != nil || !row || len(find.Blob(0)) != len(data) {
			b.Fatal(row, err)
		}
		find.Reset()
	}
}
