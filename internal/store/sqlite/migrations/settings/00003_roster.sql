-- +goose Up
CREATE TABLE roster (
    mailbox  TEXT PRIMARY KEY,
    standing TEXT NOT NULL,
    at       BIGINT NOT NULL,
    details  BYTEA NOT NULL
);
CREATE INDEX audit_subject ON audit (subject);
