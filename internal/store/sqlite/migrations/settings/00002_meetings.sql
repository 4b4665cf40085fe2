-- +goose Up
CREATE TABLE meeting (
    tag    TEXT PRIMARY KEY,
    family TEXT NOT NULL,
    due    BIGINT NOT NULL,
    held   BYTEA NOT NULL,
    entry  BYTEA NOT NULL
);
CREATE INDEX meeting_family ON meeting (family);
CREATE INDEX meeting_due ON meeting (due);
