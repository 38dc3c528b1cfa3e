package sqlstore

import "context"

// Both stores give and read values in the forms below. The one on SQLite speaks to its engine through conn and
// statement (sqlite.go), which are smaller than database/sql for speed: that and its driver took a third of
// a write and nearly all of a read.

// conn is one connection. It and its statements belong to one goroutine at a time.
type conn interface {
	prepare(text string) (statement, error)
	close() error // with its statements
}

// statement is prepared once and run often.
type statement interface {
	// exec runs it to its end and gives how many rows it changed.
	exec(ctx context.Context, args []value) (changed int64, err error)
	// query calls each for every row, and stops at its first error. The row holds only for that call.
	query(ctx context.Context, args []value, each func(row) error) error
}

// row gives columns by their place, from 0. NULL is 0, nil or empty.
type row interface {
	int(col int) int64
	blob(col int) []byte // holds as long as the row: copy what is to be kept
	text(col int) string
}

// value is an argument. What it refers to is not kept beyond the run.
type value struct {
	kind kind
	num  int64
	text string
	blob []byte
}

type kind uint8

const (
	kindNull kind = iota
	kindNum
	kindText
	kindBlob
)

func num[T ~int | ~int64 | ~uint64 | ~uint32 | ~uint8](n T) value {
	return value{kind: kindNum, num: int64(n)}
}

func flag(b bool) value {
	if b {
		return num(1)
	}
	return num(0)
}

// words is a text for a column that has to have one, though it may be empty.
func words(s string) value { return value{kind: kindText, text: s} }

// text makes NULL of nothing.
func text(s string) value {
	if s == "" {
		return value{}
	}
	return words(s)
}

// blob makes NULL of nothing: an empty one would take room.
func blob(b []byte) value {
	if len(b) == 0 {
		return value{}
	}
	return value{kind: kindBlob, blob: b}
}
