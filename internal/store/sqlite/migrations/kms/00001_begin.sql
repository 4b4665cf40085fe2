-- +goose Up
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
CREATE TABLE code (
    id       TEXT PRIMARY KEY,
    hash     BYTEA NOT NULL,
    expires  BIGINT NOT NULL,
    tries    BIGINT NOT NULL,
    role     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    instance TEXT NOT NULL -- that redeemed it; empty: none yet
);
CREATE TABLE instance (
    id      TEXT PRIMARY KEY,
    role    TEXT NOT NULL,
    subject TEXT NOT NULL,
    public  BYTEA NOT NULL,
    at      BIGINT NOT NULL
);
CREATE TABLE nonce (
    instance TEXT NOT NULL,
    nonce    TEXT NOT NULL,
    expires  BIGINT NOT NULL,
    PRIMARY KEY (instance, nonce)
);
CREATE INDEX nonce_expires ON nonce (expires);
CREATE TABLE resource (
    id        TEXT PRIMARY KEY,
    owner     TEXT NOT NULL UNIQUE,
    connector TEXT NOT NULL,
    at        BIGINT NOT NULL
);
CREATE TABLE wrapped_key (
    kid      TEXT PRIMARY KEY,
    resource TEXT NOT NULL REFERENCES resource (id),
    part     TEXT NOT NULL,
    wrapped  BYTEA NOT NULL
);
CREATE INDEX wrapped_key_resource ON wrapped_key (resource);
CREATE TABLE audit (
    n       BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
