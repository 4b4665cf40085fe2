-- +goose Up
CREATE TABLE activated (
    mailbox  TEXT PRIMARY KEY,
    baseline BIGINT NOT NULL,
    resource TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
CREATE TABLE write_count (
    mailbox    TEXT NOT NULL,
    hour       BIGINT NOT NULL,
    writes     BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    PRIMARY KEY (hour, mailbox)
);
CREATE TABLE audit (
    n       BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
