-- +goose Up
-- The same tables as in SQLite (../migrations), in a schema of their own: a database may be shared. Times are
-- Unix milliseconds, 0 for none; ids, hashes and lineages are raw bytes. What the store never looks into is in
-- the head (session.AppendHead). A fill factor leaves room for the next version of a row on its own page, so that
-- activity and patches write no index.
CREATE TABLE crossfade.sessions (
    id         bytea    NOT NULL PRIMARY KEY,
    lineage    bytea,                -- NULL: the same as id
    generation bigint   NOT NULL,    -- 0: a view
    state      bigint   NOT NULL,
    version    bigint   NOT NULL,
    created    bigint   NOT NULL,
    seen       bigint   NOT NULL,
    idle       bigint   NOT NULL,
    expires    bigint   NOT NULL,
    born       bigint   NOT NULL,
    first      bigint   NOT NULL,
    used       bigint   NOT NULL,
    keep       bigint   NOT NULL,
    due        bigint   NOT NULL,    -- when sweeping looks at the row again; never too late, often too early
    subject    text     COLLATE "C", -- NULL: a guest
    reason     text     COLLATE "C",
    secret     bytea    NOT NULL,
    sealed     bytea,
    head       bytea    NOT NULL,
    attributes bytea
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE UNIQUE INDEX sessions_by_lineage ON crossfade.sessions (lineage, generation) WHERE lineage IS NOT NULL AND generation > 0;
CREATE INDEX sessions_by_subject ON crossfade.sessions (subject, created, id) WHERE subject IS NOT NULL AND state < 4;
CREATE INDEX sessions_by_due ON crossfade.sessions (due);

CREATE TABLE crossfade.tombstones (
    lineage bytea  NOT NULL PRIMARY KEY,
    reason  text   NOT NULL,
    at      bigint NOT NULL,
    keep    bigint NOT NULL,
    end_id  bigint NOT NULL         -- the outbox row that covers it; 0: none
);
CREATE INDEX tombstones_by_keep ON crossfade.tombstones (keep);
CREATE INDEX tombstones_by_end ON crossfade.tombstones (end_id) WHERE end_id <> 0;

CREATE TABLE crossfade.legacy_keys (
    hash      bytea  NOT NULL PRIMARY KEY,
    lineage   bytea  NOT NULL,
    given     bigint NOT NULL,
    closed    bigint NOT NULL,
    moved     bytea,
    presented bigint NOT NULL,
    keep      bigint NOT NULL,
    version   bigint NOT NULL
);
CREATE INDEX legacy_keys_by_keep ON crossfade.legacy_keys (keep);

-- The row without a subject is everybody's.
CREATE TABLE crossfade.marks (
    subject text   COLLATE "C" NOT NULL PRIMARY KEY,
    mark    bigint NOT NULL,
    at      bigint NOT NULL
);

-- A row, not a sequence: who draws a mark holds the row until the commit, so marks are ordered as their commits
-- are, and who reads a mark sees all that were drawn before it.
CREATE TABLE crossfade.counters (
    name  text   NOT NULL PRIMARY KEY,
    value bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO crossfade.counters (name, value) VALUES ('mark', 0), ('probe', 0);

CREATE TABLE crossfade.outbox (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation bytea  NOT NULL,
    lineage   bytea,
    subject   text,
    everybody bigint NOT NULL,
    before    bigint NOT NULL,
    except_lineage bytea,
    reason    text   NOT NULL,
    since     bigint NOT NULL,
    attempts  bigint NOT NULL DEFAULT 0,
    next      bigint NOT NULL,
    cause     text   NOT NULL DEFAULT ''
);
CREATE INDEX outbox_by_next ON crossfade.outbox (next);

CREATE TABLE crossfade.notes (
    name    text   COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    value   bytea  NOT NULL
);

-- +goose Down
DROP TABLE crossfade.notes;
DROP TABLE crossfade.outbox;
DROP TABLE crossfade.counters;
DROP TABLE crossfade.marks;
DROP TABLE crossfade.legacy_keys;
DROP TABLE crossfade.tombstones;
DROP TABLE crossfade.sessions;
