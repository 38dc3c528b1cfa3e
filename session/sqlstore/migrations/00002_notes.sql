-- +goose Up
CREATE TABLE notes (
    name    TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    value   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE notes;
