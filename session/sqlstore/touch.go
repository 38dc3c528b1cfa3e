package sqlstore

import (
	"context"
	"time"

	"crossfade.dev/crossfade/session"
)

// Touch merges activity. See session.Store.
func (s *Store) Touch(ctx context.Context, touches []session.Touch, keys []session.KeyTouch) error {
	if len(touches) == 0 && len(keys) == 0 {
		return nil
	}
	_, err := s.writer.do(ctx, &job{work: func(t *tx) (session.Result, error) {
		for _, touch := range touches {
			if err := t.touch(touch); err != nil {
				return session.Result{}, err
			}
		}
		for _, k := range keys {
			if _, err := t.exec(stTouchKey, ms(k.Presented), k.Hash[:]); err != nil {
				return session.Result{}, err
			}
		}
		return session.Result{}, nil
	}})
	return err
}

func (t *tx) touch(touch session.Touch) error {
	var err error
	if touch.Used.IsZero() {
		_, err = t.exec(stTouch, ms(touch.Seen), touch.ID[:], ms(touch.Since))
	} else {
		_, err = t.exec(stTouchFirst, ms(touch.Seen), ms(touch.Used), touch.Secret[:], touch.ID[:], ms(touch.Since))
	}
	if err == nil && touch.Unseal {
		_, err = t.exec(stTouchUnseal, touch.ID[:])
	}
	return err
}

// Sweep deletes what no credential can need any more. See session.Store. Due is only when to look again:
// activity moves a deadline without touching that index, and sweeping catches up here.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	looked := 0
	_, err := s.writer.do(ctx, &job{work: func(t *tx) (session.Result, error) {
		n, err := t.sweepSessions(now, limit)
		if err != nil {
			return session.Result{}, err
		}
		looked = n
		for _, st := range []statement{stSweepTombstones, stSweepKeys} {
			n, err := t.exec(st, ms(now), limit)
			if err != nil {
				return session.Result{}, err
			}
			looked += int(n)
		}
		_, err = t.exec(stSweepMarks, ms(now.Add(-session.MaxLife)))
		return session.Result{}, err
	}})
	return looked, err
}

func (t *tx) sweepSessions(now time.Time, limit int) (int, error) {
	due, err := t.due(now, limit)
	if err != nil {
		return 0, err
	}
	for _, d := range due {
		if d.until.After(now) {
			_, err = t.exec(stPostpone, ms(d.until), d.id)
		} else {
			_, err = t.exec(stDelete, d.id)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

type dueRow struct {
	id    []byte
	until time.Time
}

func (t *tx) due(now time.Time, limit int) (out []dueRow, err error) {
	rows, err := t.stmt[stDue].Query(ms(now), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d dueRow
		var state session.State
		var seen, idle, expires, keep int64
		if err := rows.Scan(&d.id, &state, &seen, &idle, &expires, &keep); err != nil {
			return nil, err
		}
		d.until = deadline(state, session.FromMillis(seen+idle), session.FromMillis(expires), session.FromMillis(keep))
		out = append(out, d)
	}
	return out, rows.Err()
}
