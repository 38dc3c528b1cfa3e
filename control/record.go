package control

import (
	"context"
	"strings"
	"unicode"

	"crossfade.dev/crossfade/control/changelog"
)

// Note is a change that was made elsewhere in Crossfade and belongs on record: sessions that an operator
// ended. It makes no snapshot.
type Note struct {
	Author, Reason string
	Action         string // in the words of [changelog.Change]
	Subject        string // what was changed
	Detail         string // one line for people
}

// Record puts what has happened on record. It refuses nothing: what is too long for a list is cut, what is no
// line of text is made one, and what is missing is said to be. It takes no lock, so that it waits for the
// database at most, within ctx.
func (c *Control) Record(ctx context.Context, n Note) error {
	version, now := c.Snapshot().Version(), c.deps.Now()
	sqlTx, err := c.db.db.BeginTx(ctx, nil)
	if err != nil {
		return c.db.failed(err, "write")
	}
	defer sqlTx.Rollback() // does nothing after a commit
	t := &tx{Tx: sqlTx, version: version, now: now}
	err = t.log(ctx, changelog.Change{
		Author: line(n.Author, maxAuthor), Reason: line(n.Reason, maxReason), Action: n.Action,
		Subject: line(n.Subject, maxReason), Detail: line(n.Detail, maxReason),
	})
	if err == nil {
		err = t.Commit()
	}
	if err != nil {
		return c.db.failed(err, "write")
	}
	return nil
}

// line is s as one line of at most limit bytes.
func line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit-len("…")], "") + "…"
	}
	if s = strings.TrimSpace(s); s == "" {
		return "not said"
	}
	return s
}
