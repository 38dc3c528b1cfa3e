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
	_, err := s.writer.carry(ctx, func(t *tx) (session.Result, error) {
		for _, touch := range touches {
			if err := t.touch(touch); err != nil {
				return session.Result{}, err
			}
		}
		for _, k := range keys {
			if _, err := t.exec(stTouchKey, num(ms(k.Presented)), blob(k.Hash[:])); err != nil {
				return session.Result{}, err
			}
		}
		return session.Result{}, nil
	})
	return err
}

func (t *tx) touch(touch session.Touch) error {
	var err error
	if touch.Used.IsZero() {
		_, err = t.exec(stTouch, num(ms(touch.Seen)), blob(touch.ID[:]), num(ms(touch.Since)))
	} else {
		_, err = t.exec(stTouchFirst, num(ms(touch.Seen)), num(ms(touch.Used)), blob(touch.Secret[:]), blob(touch.ID[:]), num(ms(touch.Since)))
	}
	if err == nil && touch.Unseal {
		_, err = t.exec(stTouchUnseal, blob(touch.ID[:]))
	}
	return err
}

// Sweep deletes what no credential can need any more. See session.Store. Due is only when to look again:
// activity moves a deadline without touching that index, and sweeping catches up here.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	looked := 0
	_, err := s.writer.carry(ctx, func(t *tx) (session.Result, error) {
		n, err := t.sweepSessions(now, limit)
		if err != nil {
			return session.Result{}, err
		}
		looked = n
		for _, st := range []writing{stSweepTombstones, stSweepKeys} {
			n, err := t.exec(st, num(ms(now)), num(limit))
			if err != nil {
				return session.Result{}, err
			}
			looked += int(n)
		}
		_, err = t.exec(stSweepMarks, num(ms(now.Add(-session.MaxLife))))
		return session.Result{}, err
	})
	return looked, err
}

func (t *tx) sweepSessions(now time.Time, limit int) (int, error) {
	due, err := t.due(now, limit)
	if err != nil {
		return 0, err
	}
	for _, d := range due {
		if d.until.After(now) {
			_, err = t.exec(stPostpone, num(ms(d.until)), blob(d.id[:]))
		} else {
			_, err = t.exec(stDelete, blob(d.id[:]))
		}
		if err != nil {
			return 0, err
		}
	}
	return len(due), nil
}

type dueRow struct {
	id    session.ID
	until time.Time
}

func (t *tx) due(now time.Time, limit int) (out []dueRow, err error) {
	err = t.query(stDue, func(r row) error {
		seen, idle, expires, keep := r.int(2), r.int(3), r.int(4), r.int(5)
		out = append(out, dueRow{
			id:    array16(r.blob(0)),
			until: deadline(session.State(r.int(1)), session.FromMillis(seen+idle), session.FromMillis(expires), session.FromMillis(keep)),
		})
		return nil
	}, num(ms(now)), num(limit))
	return out, err
}
