package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"crossfade.dev/crossfade/session"
)

func (t *tx) endLineage(op session.EndLineage, res *session.Result) error {
	end, known, err := t.extendTombstone(op.Lineage, op.Keep)
	if err != nil {
		return err
	}
	if known {
		res.EndID = end
		if end != 0 {
			res.Lineages = append(res.Lineages, op.Lineage)
		}
		return nil
	}
	if op.Notify != nil {
		if res.EndID, err = t.notice(notice{operation: op.Notify.Operation, lineage: op.Lineage[:], reason: op.Reason, at: op.At}); err != nil {
			return err
		}
	}
	return t.bury(op.Lineage, op.Reason, op.At, op.Keep, res)
}

// extendTombstone finds a tombstone, makes it last long enough, and gives the outbox row that covers it.
func (t *tx) extendTombstone(l session.Lineage, keep time.Time) (end int64, known bool, err error) {
	err = t.stmt[stTombstoneGet].QueryRow(ms(keep), l[:]).Scan(&end)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return end, err == nil, err
}

// bury ends the records of a lineage and leaves its tombstone.
func (t *tx) bury(l session.Lineage, reason string, at, keep time.Time, res *session.Result) error {
	recs, last, err := t.ofLineage(l)
	if err != nil {
		return err
	}
	for _, r := range recs {
		if _, err := t.exec(stEnd, text(reason), r.ID[:]); err != nil {
			return err
		}
	}
	res.Records = append(res.Records, recs...)
	res.Lineages = append(res.Lineages, l)
	_, err = t.exec(stTombstoneNew, l[:], reason, ms(at), max(ms(keep), last), res.EndID)
	return err
}

// ofLineage lists the records of a lineage that have not ended, and when the last of them expires.
func (t *tx) ofLineage(l session.Lineage) (recs []session.EndedRecord, last int64, err error) {
	rows, err := t.stmt[stOfLineage].Query(l[:])
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		var state session.State
		var until int64
		if err := rows.Scan(&id, &state, &until); err != nil {
			return nil, 0, err
		}
		recs = append(recs, session.EndedRecord{ID: session.ID(id), Live: state <= session.StateMoving})
		last = max(last, until)
	}
	return recs, last, rows.Err()
}

func (t *tx) endSubject(op session.EndSubject, res *session.Result) error {
	if err := t.drawMark(op.Subject, op.At, res); err != nil {
		return err
	}
	if !op.Except.IsZero() {
		n, err := t.exec(stRespawn, int64(res.Mark), op.Except[:], int64(op.ExceptVersion))
		if err != nil {
			return err
		}
		if n != 1 {
			return session.ErrConflict
		}
	}
	if op.Notify != nil {
		n := notice{operation: op.Notify.Operation, subject: op.Subject, before: res.Mark, reason: op.Reason, at: op.At}
		if !op.ExceptLineage.IsZero() {
			n.except = op.ExceptLineage[:]
		}
		var err error
		if res.EndID, err = t.notice(n); err != nil {
			return err
		}
	}
	lineages, err := t.lineagesOf(op.Subject, op.ExceptLineage)
	if err != nil {
		return err
	}
	for _, l := range lineages {
		if _, known, err := t.extendTombstone(l, op.Keep); err != nil || known {
			if err != nil {
				return err
			}
			continue
		}
		if err := t.bury(l, op.Reason, op.At, op.Keep, res); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) lineagesOf(subject string, except session.Lineage) (out []session.Lineage, err error) {
	rows, err := t.stmt[stSubjectLineages].Query(subject, except[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l []byte
		if err := rows.Scan(&l); err != nil {
			return nil, err
		}
		out = append(out, session.Lineage(l))
	}
	return out, rows.Err()
}

func (t *tx) endEverybody(op session.EndEverybody, res *session.Result) error {
	if err := t.drawMark("", op.At, res); err != nil || op.Notify == nil {
		return err
	}
	var err error
	res.EndID, err = t.notice(notice{operation: op.Notify.Operation, everybody: true, before: res.Mark, reason: op.Reason, at: op.At})
	return err
}

// drawMark takes the next value of the revocation sequence for a subject, or for everybody.
func (t *tx) drawMark(subject string, at time.Time, res *session.Result) error {
	var mark int64
	if err := t.stmt[stDrawMark].QueryRow().Scan(&mark); err != nil {
		return err
	}
	res.Mark = session.Mark(mark)
	_, err := t.exec(stPutMark, subject, mark, ms(at))
	return err
}

type notice struct {
	operation [16]byte
	lineage   []byte
	subject   string
	everybody bool
	before    session.Mark
	except    []byte
	reason    string
	at        time.Time
}

func (t *tx) notice(n notice) (id int64, err error) {
	err = t.stmt[stNotice].QueryRow(n.operation[:], bytesArg(n.lineage), text(n.subject), n.everybody, int64(n.before),
		bytesArg(n.except), n.reason, ms(n.at), ms(n.at)).Scan(&id)
	return id, err
}

func (t *tx) confirmEnd(op session.ConfirmEnd) error {
	if _, err := t.exec(stConfirm, op.ID); err != nil {
		return err
	}
	_, err := t.exec(stUncover, op.ID)
	return err
}

func (t *tx) failEnd(op session.FailEnd) error {
	var attempts int
	err := t.stmt[stAttempts].QueryRow(op.Cause, op.ID).Scan(&attempts)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // confirmed meanwhile
	}
	if err != nil {
		return err
	}
	_, err = t.exec(stFail, ms(op.At.Add(op.Pause(attempts))), op.ID)
	return err
}
