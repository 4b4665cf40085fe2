-- +goose Up
CREATE TABLE status (
    mailbox TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    note    BYTEA NOT NULL
);
