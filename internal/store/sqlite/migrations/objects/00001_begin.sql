-- +goose Up
CREATE TABLE sequence (
    id    BIGINT PRIMARY KEY,
    value BIGINT NOT NULL
);
CREATE TABLE resource (
    id        TEXT PRIMARY KEY,
    connector TEXT NOT NULL,
    seq       BIGINT NOT NULL, -- number of its last change
    floor     BIGINT NOT NULL  -- a cursor below it is too old
);
CREATE TABLE delivery (
    account  TEXT NOT NULL,
    resource TEXT NOT NULL,
    PRIMARY KEY (account, resource)
);
CREATE INDEX delivery_resource ON delivery (resource);
CREATE TABLE part (
    resource TEXT NOT NULL,
    item     TEXT NOT NULL,
    part     TEXT NOT NULL, -- empty: tombstone
    rev      BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    jwe      TEXT NOT NULL,
    at       BIGINT NOT NULL, -- of a tombstone, else 0
    PRIMARY KEY (resource, item, part)
);
CREATE UNIQUE INDEX part_seq ON part (resource, seq);
CREATE INDEX part_at ON part (at);
