-- +goose Up
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
CREATE TABLE code (
    id      TEXT PRIMARY KEY,
    hash    BYTEA NOT NULL,
    expires BIGINT NOT NULL,
    tries   BIGINT NOT NULL,
    role    TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE TABLE credential (
    hash    BYTEA PRIMARY KEY,
    account TEXT NOT NULL,
    role    TEXT NOT NULL,
    at      BIGINT NOT NULL
);
