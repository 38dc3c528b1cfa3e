// Package changelog keeps who changed what, when and why.
//
// Invariant: it only grows. Rows are appended in the transaction that makes the change, so there is no
// change without its row and no row without its change; the database itself refuses to rewrite one. Ends of
// sessions are the exception: they happen in another store, and never wait for their row. The control plane
// appends, and its API lists.
package changelog

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"crossfade.dev/crossfade/internal/fault"
)

// Change is one row.
type Change struct {
	ID      uint64
	At      time.Time // to the second
	Author  string
	Reason  string
	Action  string // start, ramp, approve, hold, roll_back, finish, kill, lift, magic_issue, session_end …
	Subject string // what was changed: a rollout's name, "magic <id>", "subject <id>" …
	Detail  string // one line for people
	Epoch   uint64
	Version uint64 // of the snapshot that the change made; of an end, the one of then
}

// Append adds a row inside the transaction of the change. ID is ignored.
func Append(ctx context.Context, tx *sql.Tx, c Change) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO changes (at, author, reason, action, subject, detail, epoch, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		c.At.Unix(), c.Author, c.Reason, c.Action, c.Subject, c.Detail, int64(c.Epoch), int64(c.Version))
	if err != nil {
		return fmt.Errorf("append to the changelog: %w", err)
	}
	return nil
}

// Limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// Query selects a page. The zero value is the newest one.
type Query struct {
	Limit   int    // 1 to MaxLimit; 0: DefaultLimit
	Before  uint64 // only rows older than this id; 0: from the newest
	Subject string // only this subject; empty: all
}

// List is a page of changes, newest first. The next page is asked for with Before set to the last id;
// rows that are appended meanwhile do not shift it.
func List(ctx context.Context, db *sql.DB, q Query) ([]Change, error) {
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return nil, fault.New(fault.Invalid, "a page of %d changes", q.Limit).WithHint("ask for 1 to %d", MaxLimit)
	}
	rows, err := db.QueryContext(ctx, `
		SELECT id, at, author, reason, action, subject, detail, epoch, version FROM changes
		WHERE (?1 = 0 OR id < ?1) AND (?2 = '' OR subject = ?2)
		ORDER BY id DESC LIMIT ?3`, int64(min(q.Before, 1<<63-1)), q.Subject, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("read the changelog: %w", err)
	}
	defer rows.Close()
	var out []Change
	for rows.Next() {
		var c Change
		var at int64
		if err := rows.Scan(&c.ID, &at, &c.Author, &c.Reason, &c.Action, &c.Subject, &c.Detail, &c.Epoch, &c.Version); err != nil {
			return nil, fmt.Errorf("read the changelog: %w", err)
		}
		c.At = time.Unix(at, 0)
		out = append(out, c)
	}
	return out, rows.Err()
}
