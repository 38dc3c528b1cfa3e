package sqlstore

import (
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
	return t.number(stTombstoneGet, num(ms(keep)), blob(l[:]))
}

// bury ends the records of a lineage and leaves its tombstone.
func (t *tx) bury(l session.Lineage, reason string, at, keep time.Time, res *session.Result) error {
	recs, last, err := t.ofLineage(l)
	if err != nil {
		return err
	}
	for _, r := range recs {
		if _, err := t.exec(stEnd, text(reason), blob(r.ID[:])); err != nil {
			return err
		}
	}
	res.Records = append(res.Records, recs...)
	res.Lineages = append(res.Lineages, l)
	_, err = t.exec(stTombstoneNew, blob(l[:]), words(reason), num(ms(at)), num(max(ms(keep), last)), num(res.EndID))
	return err
}

// ofLineage lists the records of a lineage that have not ended, and when the last of them expires.
func (t *tx) ofLineage(l session.Lineage) (recs []session.EndedRecord, last int64, err error) {
	err = t.query(stOfLineage, func(r row) error {
		recs = append(recs, session.EndedRecord{ID: array16(r.blob(0)), Live: session.State(r.int(1)) <= session.StateMoving})
		last = max(last, r.int(2))
		return nil
	}, blob(l[:]))
	return recs, last, err
}

func (t *tx) endSubject(op session.EndSubject, res *session.Result) error {
	if err := t.drawMark(op.Subject, op.At, res); err != nil {
		return err
	}
	if !op.Except.IsZero() {
		n, err := t.exec(stRespawn, num(res.Mark), blob(op.Except[:]), num(op.ExceptVersion))
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
	err = t.query(stSubjectLineages, func(r row) error {
		out = append(out, session.Lineage(array16(r.blob(0))))
		return nil
	}, words(subject), blob(except[:]))
	return out, err
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
	mark, found, err := t.number(stDrawMark)
	if err != nil {
		return err
	}
	if !found {
		return damaged(errors.New("the revocation sequence is missing"))
	}
	res.Mark = session.Mark(mark)
	_, err = t.exec(stPutMark, words(subject), num(mark), num(ms(at)))
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
	id, _, err = t.number(stNotice, blob(n.operation[:]), blob(n.lineage), text(n.subject), flag(n.everybody), num(n.before),
		blob(n.except), words(n.reason), num(ms(n.at)), num(ms(n.at)))
	return id, err
}

func (t *tx) confirmEnd(op session.ConfirmEnd) error {
	if _, err := t.exec(stConfirm, num(op.ID)); err != nil {
		return err
	}
	_, err := t.exec(stUncover, num(op.ID))
	return err
}

func (t *tx) failEnd(op session.FailEnd) error {
	attempts, found, err := t.number(stAttempts, words(op.Cause), num(op.ID))
	if err != nil || !found { // confirmed meanwhile
		return err
	}
	_, err = t.exec(stFail, num(ms(op.At.Add(op.Pause(int(attempts))))), num(op.ID))
	return err
}
