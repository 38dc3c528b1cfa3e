package sqlstore

import (
	"context"

	"crossfade.dev/crossfade/session"
)

// tx is the writer's connection with everything prepared that it ever says.
type tx struct {
	conn conn
	stmt [statementCount]statement
	// For the statements that are said most, kept to spare allocations.
	args  []value
	found bool            // find was called
	find  func(row) error // of a query that only asks whether there is a row
}

type writing int

const (
	stBegin writing = iota
	stCommit
	stRollback
	stSavepoint
	stRelease
	stRevert
	stInsert
	stUpdate
	stUpdateAll
	stPutNewKey
	stPutKey
	stPutNewNote
	stPutNote
	stDropNote
	stTombstone
	stTombstoneGet
	stTombstoneNew
	stOfLineage
	stEnd
	stSubjectLineages
	stRespawn
	stDrawMark
	stPutMark
	stNotice
	stConfirm
	stUncover
	stAttempts
	stFail
	stTouch
	stTouchFirst
	stTouchUnseal
	stTouchKey
	stDue
	stDelete
	stPostpone
	stSweepTombstones
	stSweepKeys
	stSweepMarks
	stProbe
	stProbed
	statementCount
)

var statementText = [statementCount]string{
	stBegin:     `BEGIN IMMEDIATE`,
	stCommit:    `COMMIT`,
	stRollback:  `ROLLBACK`,
	stSavepoint: `SAVEPOINT job`,
	stRelease:   `RELEASE job`,
	stRevert:    `ROLLBACK TO job`,

	// VALUES, not a SELECT with the condition in it: for that SQLite keeps a copy of every page that the
	// statement touches, to undo a part of it. Nobody else writes between a look and the insert behind it.
	stInsert:    `INSERT INTO sessions (` + columns + `, due, attributes) VALUES (` + placeholders(20) + `) ON CONFLICT DO NOTHING`,
	stUpdate:    updateText + ` WHERE id = ? AND version = ?`,
	stUpdateAll: updateText + `, attributes = ? WHERE id = ? AND version = ?`,

	stPutNewKey: `INSERT INTO legacy_keys (hash, lineage, given, closed, moved, presented, keep, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING`,
	stPutKey: `UPDATE legacy_keys SET lineage = ?, given = ?, closed = ?, moved = ?,
		presented = CASE presented WHEN 0 THEN ? ELSE presented END, keep = ?, version = version + 1
		WHERE hash = ? AND version = ?`,

	stPutNewNote: `INSERT INTO notes (name, value, version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING`,
	stPutNote:    `UPDATE notes SET value = ?, version = version + 1 WHERE name = ? AND version = ?`,
	stDropNote:   `DELETE FROM notes WHERE name = ? AND version = ?`,

	stTombstone:    `SELECT 1 FROM tombstones WHERE lineage = ?`,
	stTombstoneGet: `UPDATE tombstones SET keep = max(keep, ?) WHERE lineage = ? RETURNING end_id`,
	stTombstoneNew: `INSERT INTO tombstones (lineage, reason, at, keep, end_id) VALUES (?, ?, ?, ?, ?)`,
	stOfLineage: `SELECT id, state, max(keep, expires) FROM sessions WHERE id = ?1 AND lineage IS NULL AND state < 4
		UNION ALL SELECT id, state, max(keep, expires) FROM sessions WHERE lineage = ?1 AND generation > 0 AND state < 4`,
	stEnd: endText,
	stSubjectLineages: `SELECT DISTINCT coalesce(lineage, id) FROM sessions
		WHERE subject = ? AND state < 4 AND coalesce(lineage, id) <> ?`,
	stRespawn: `UPDATE sessions SET born = ?, version = version + 1 WHERE id = ? AND version = ? AND state = 1`,

	stDrawMark: `UPDATE counters SET value = value + 1 WHERE name = 'mark' RETURNING value`,
	stPutMark:  `INSERT INTO marks (subject, mark, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET mark = excluded.mark, at = excluded.at`,

	stNotice: `INSERT INTO outbox (operation, lineage, subject, everybody, before, except_lineage, reason, since, next)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
	stConfirm:  `DELETE FROM outbox WHERE id = ?`,
	stUncover:  `UPDATE tombstones SET end_id = 0 WHERE end_id = ? AND end_id <> 0`,
	stAttempts: `UPDATE outbox SET attempts = attempts + 1, cause = ? WHERE id = ? RETURNING attempts`,
	stFail:     `UPDATE outbox SET next = ? WHERE id = ?`,

	stTouch: `UPDATE sessions SET seen = max(seen, ?1) WHERE id = ?2 AND state < 3 AND seen + idle > ?3`,
	stTouchFirst: `UPDATE sessions SET seen = max(seen, ?1), first = CASE first WHEN 0 THEN ?2 ELSE first END,
		used = CASE WHEN used = 0 AND secret = ?3 THEN ?2 ELSE used END
		WHERE id = ?4 AND state < 3 AND seen + idle > ?5`,
	stTouchUnseal: `UPDATE sessions SET sealed = NULL WHERE id = ? AND state < 3`,
	stTouchKey:    `UPDATE legacy_keys SET presented = ? WHERE hash = ? AND presented = 0`,

	stDue:             `SELECT id, state, seen, idle, expires, keep FROM sessions WHERE due <= ? ORDER BY due LIMIT ?`,
	stDelete:          `DELETE FROM sessions WHERE id = ?`,
	stPostpone:        `UPDATE sessions SET due = ? WHERE id = ?`,
	stSweepTombstones: `DELETE FROM tombstones WHERE lineage IN (SELECT lineage FROM tombstones WHERE keep <= ? AND end_id = 0 LIMIT ?)`,
	stSweepKeys:       `DELETE FROM legacy_keys WHERE hash IN (SELECT hash FROM legacy_keys WHERE keep <= ? LIMIT ?)`,
	stSweepMarks:      `DELETE FROM marks WHERE subject <> '' AND at <= ?`,

	// A row of several pages, gone before anybody can see it: a value written over itself would not reach the disk.
	stProbe:  `INSERT INTO tombstones (lineage, reason, at, keep, end_id) VALUES (zeroblob(1), hex(randomblob(8192)), 0, 0, 0)`,
	stProbed: `DELETE FROM tombstones WHERE lineage = zeroblob(1)`,
}

// updateText writes every field but the attributes. What touches set is kept: activity only grows, first
// uses are set once, and that of the current secret goes with the secret.
const updateText = `UPDATE sessions SET generation = ?, state = ?, version = ?, subject = ?, reason = ?,
	seen = max(seen, ?), idle = ?, expires = ?, born = ?,
	first = CASE first WHEN 0 THEN ? ELSE first END,
	used = CASE WHEN secret = ? AND used <> 0 THEN used ELSE ? END,
	keep = ?, secret = ?, sealed = ?, head = ?`

// endText ends a record. Its secret stays, so that its token is answered "ended" rather than "invalid"; data
// and sealed secret go.
const endText = `UPDATE sessions SET state = 4, version = version + 1, reason = ?, keep = max(keep, expires),
	sealed = NULL, attributes = NULL WHERE id = ?`

func newTx(c conn) (*tx, error) {
	t := &tx{conn: c}
	t.find = func(row) error { t.found = true; return nil }
	for i, text := range statementText {
		var err error
		if t.stmt[i], err = c.prepare(text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// The writer's statements run under no deadline: what has begun is finished.
func (t *tx) exec(s writing, args ...value) (int64, error) {
	return t.stmt[s].exec(context.Background(), args)
}

func (t *tx) query(s writing, each func(row) error, args ...value) error {
	return t.stmt[s].query(context.Background(), args, each)
}

// number reads the first column of the first row, if there is one.
func (t *tx) number(s writing, args ...value) (n int64, found bool, err error) {
	err = t.query(s, func(r row) error {
		n, found = r.int(0), true
		return nil
	}, args...)
	return n, found, err
}

func (t *tx) begin() error  { _, err := t.exec(stBegin); return err }
func (t *tx) commit() error { _, err := t.exec(stCommit); return err }

// rollback undoes the transaction; where SQLite has done so by itself already, there is none to undo.
func (t *tx) rollback() { _, _ = t.exec(stRollback) }

// one carries a job out. Its own refusals are answered to it; only trouble with the transaction is
// returned, because it concerns everybody in it.
func (t *tx) one(j *job) error {
	if j.solo() {
		j.res, j.err = t.work(j)
		if j.err == nil || refused(j.err) {
			return nil
		}
		return j.err
	}
	if _, err := t.exec(stSavepoint); err != nil {
		return err
	}
	j.res, j.err = t.work(j)
	if j.err != nil {
		if !refused(j.err) {
			return j.err
		}
		if _, err := t.exec(stRevert); err != nil {
			return err
		}
	}
	_, err := t.exec(stRelease)
	return err
}

func (t *tx) work(j *job) (res session.Result, err error) {
	if j.work != nil {
		return j.work(t)
	}
	for i := range j.steps {
		if err := t.apply(&j.steps[i], &res); err != nil {
			return session.Result{}, err
		}
	}
	return res, nil
}
