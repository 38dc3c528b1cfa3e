-- +goose Up
-- The state of each rollout as JSON (rollout.Rollout): it is always read and written whole, and a field
-- that is added later needs no migration.
CREATE TABLE rollouts (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- One row: the version of the newest snapshot.
CREATE TABLE snapshot (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO snapshot (one, version) VALUES (1, 0);

-- Times are Unix seconds.
CREATE TABLE magic (
    id         BLOB PRIMARY KEY,
    whom       TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    author     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    revoked_at INTEGER,
    visitor    BLOB -- whose browser used it first; NULL: nobody yet
) STRICT;

CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL CHECK (author <> ''),
    reason  TEXT NOT NULL CHECK (reason <> ''),
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_subject ON changes (subject, id);

-- +goose StatementBegin
CREATE TRIGGER changes_are_never_rewritten BEFORE UPDATE ON changes
BEGIN
    SELECT RAISE(ABORT, 'the changelog is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER changes_are_never_deleted BEFORE DELETE ON changes
BEGIN
    SELECT RAISE(ABORT, 'the changelog is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE changes;
DROP TABLE magic;
DROP TABLE snapshot;
DROP TABLE rollouts;
