package sqlstore

import (
	"bytes"
	"context"
	"encoding/hex"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
)

// Scan reads records in the order of their ids. See session.Store.
func (s reads) Scan(ctx context.Context, after string, limit int) (page []*session.Record, next string, err error) {
	from, err := hex.DecodeString(after)
	if err != nil || len(from) != 0 && len(from) != len(session.ID{}) {
		return nil, "", fault.New(fault.Invalid, "no scan of the session database stopped at this place").
			WithHint("begin the scan again")
	}
	at := value{kind: kindBlob, blob: from} // empty, not NULL: every id is greater
	err = s.ask(ctx, rdScan, func(row row) error {
		r, err := recordOf(row, true)
		page = append(page, r)
		return err
	}, at, num(limit))
	if err != nil {
		return nil, "", err
	}
	if len(page) == limit {
		next = page[limit-1].ID.String()
	}
	return page, next, nil
}

// Notes reads notes. See session.Store.
func (s reads) Notes(ctx context.Context, prefix string) (out []session.Note, _ error) {
	err := s.ask(ctx, rdNotes, func(r row) error {
		out = append(out, session.Note{Name: r.text(0), Version: uint64(r.int(1)), Value: bytes.Clone(r.blob(2))})
		return nil
	}, words(prefix))
	return out, err
}

func (t *tx) putNote(n session.Note) (err error) {
	var changed int64
	switch {
	case len(n.Value) == 0:
		changed, err = t.exec(stDropNote, words(n.Name), num(n.Version-1))
	case n.Version == 1:
		changed, err = t.exec(stPutNewNote, words(n.Name), blob(n.Value))
	default:
		changed, err = t.exec(stPutNote, blob(n.Value), words(n.Name), num(n.Version-1))
	}
	if err == nil && changed != 1 {
		return session.ErrConflict
	}
	return err
}
