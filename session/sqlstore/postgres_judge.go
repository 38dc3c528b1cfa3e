package sqlstore

import (
	"context"
	"errors"

	"crossfade.dev/crossfade/session"
)

// columnCount is how many columns recordOf reads of a head.
const columnCount = 18

// Judged reads a record and what it is held against, in one statement and so of one moment. See session.Judge.
func (p *Postgres) Judged(ctx context.Context, id session.ID, _ string) (out session.Judged, _ error) {
	err := p.ask(ctx, reading(pgJudged), func(r row) (err error) {
		subject := ""
		if r.blob(0) == nil {
			out.Ended = r.int(columnCount+3) != 0
		} else if out.Record, err = recordOf(r, false); err != nil {
			return err
		} else {
			subject = out.Record.Subject
		}
		out.Marks, err = marksOf(r, columnCount, subject)
		return err
	}, blob(id[:]))
	return out, err
}

// Against reads the marks that one subject is held against. See session.Judge.
func (p *Postgres) Against(ctx context.Context, subject string) (out session.Marks, _ error) {
	err := p.ask(ctx, reading(pgAgainst), func(r row) (err error) {
		out, err = marksOf(r, 0, subject)
		return err
	}, words(subject))
	return out, err
}

// marksOf reads the sequence, everybody's mark and the subject's, which may be NULL, from col on.
func marksOf(r row, col int, subject string) (session.Marks, error) {
	m := session.Marks{Sequence: session.Mark(r.int(col)), Global: session.Mark(r.int(col + 1)), Subjects: map[string]session.Mark{}}
	if r.blob(col) == nil {
		return m, damaged(errors.New("the revocation sequence is missing"))
	}
	if mark := r.int(col + 2); mark != 0 {
		m.Subjects[subject] = session.Mark(mark)
	}
	return m, nil
}
