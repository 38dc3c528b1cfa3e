-- +goose Up
-- Times are Unix milliseconds, 0 for none; ids, hashes and lineages are raw bytes. What the store never
-- looks into is in the head blob (session.AppendHead).
CREATE TABLE sessions (
    id         BLOB    NOT NULL PRIMARY KEY,
    lineage    BLOB,                -- NULL: the same as id, which spares most rows an index entry
    generation INTEGER NOT NULL,    -- 0: a view
    state      INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    subject    TEXT,                -- NULL: a guest
    reason     TEXT,
    created    INTEGER NOT NULL,
    seen       INTEGER NOT NULL,
    idle       INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    born       INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    keep       INTEGER NOT NULL,
    due        INTEGER NOT NULL,    -- when sweeping looks at the row again; never too late, often too early
    secret     BLOB    NOT NULL,
    sealed     BLOB,
    head       BLOB    NOT NULL,
    attributes BLOB
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX sessions_by_lineage ON sessions (lineage, generation) WHERE lineage IS NOT NULL AND generation > 0;
CREATE INDEX sessions_by_subject ON sessions (subject, created) WHERE subject IS NOT NULL AND state < 4;
CREATE INDEX sessions_by_due ON sessions (due);

CREATE TABLE tombstones (
    lineage BLOB    NOT NULL PRIMARY KEY,
    reason  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    keep    INTEGER NOT NULL,
    end_id  INTEGER NOT NULL        -- the outbox row that covers it; 0: none
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_keep ON tombstones (keep);
CREATE INDEX tombstones_by_end ON tombstones (end_id) WHERE end_id <> 0;

CREATE TABLE legacy_keys (
    hash      BLOB    NOT NULL PRIMARY KEY,
    lineage   BLOB    NOT NULL,
    given     INTEGER NOT NULL,
    closed    INTEGER NOT NULL,
    moved     BLOB,
    presented INTEGER NOT NULL,
    keep      INTEGER NOT NULL,
    version   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX legacy_keys_by_keep ON legacy_keys (keep);

-- The row without a subject is everybody's.
CREATE TABLE marks (
    subject TEXT    NOT NULL PRIMARY KEY,
    mark    INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('mark', 0);

CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    operation BLOB    NOT NULL,
    lineage   BLOB,
    subject   TEXT,
    everybody INTEGER NOT NULL,
    before    INTEGER NOT NULL,
    except_lineage BLOB,
    reason    TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0,
    next      INTEGER NOT NULL,
    cause     TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outbox_by_next ON outbox (next);

-- +goose Down
DROP TABLE outbox;
DROP TABLE counters;
DROP TABLE marks;
DROP TABLE legacy_keys;
DROP TABLE tombstones;
DROP TABLE sessions;
