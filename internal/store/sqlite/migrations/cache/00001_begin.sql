-- +goose Up
CREATE TABLE mailbox (
    id   TEXT PRIMARY KEY,
    core BYTEA NOT NULL,
    sync BYTEA NOT NULL
);
CREATE TABLE published (
    mailbox TEXT NOT NULL,
    item    TEXT NOT NULL,
    hash    BYTEA NOT NULL,
    rev     BIGINT NOT NULL,
    PRIMARY KEY (mailbox, item)
);
CREATE TABLE trace (
    mailbox TEXT NOT NULL,
    n       BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    line    BYTEA NOT NULL,
    PRIMARY KEY (mailbox, n)
);
CREATE INDEX trace_at ON trace (at);
