-- +goose Up

-- AUTOINCREMENT, so that a number is never used again, even if the row with the highest one is
-- deleted.
CREATE TABLE tenants (
    no         INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    metadata   TEXT NOT NULL,       -- a JSON object
    limits     TEXT NOT NULL,       -- a JSON object
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL,
    version    INTEGER NOT NULL     -- increases with every change to one of its subscriptions, except for health
);
CREATE UNIQUE INDEX tenants_id ON tenants (id) WHERE deleted_at = 0;
CREATE INDEX tenants_deleted ON tenants (deleted_at) WHERE deleted_at > 0;

ALTER TABLE subscriptions ADD COLUMN tenant_no      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN uid            TEXT NOT NULL DEFAULT '';   -- the caller's own id; '': none
ALTER TABLE subscriptions ADD COLUMN name           TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN tenant_version INTEGER NOT NULL DEFAULT 0; -- of its tenant at its last change

-- Each has a version of its own, so that the changes of a tenant can be read in pages. The checksum
-- covers the new columns. Open writes those that are missing.
UPDATE subscriptions AS s SET checksum = 0, tenant_version = numbered.n
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM subscriptions) AS numbered WHERE numbered.id = s.id;

INSERT INTO tenants
    SELECT 0, 'default', '', '{}', '{}', unixepoch() * 1000000, unixepoch() * 1000000, 0, max(count(*), 1) FROM subscriptions;
INSERT INTO tenants
    SELECT 1, 'hookferry', '', '{}', '{}', unixepoch() * 1000000, unixepoch() * 1000000, 0, 1;

CREATE INDEX subscriptions_changed ON subscriptions (tenant_no, tenant_version);
CREATE UNIQUE INDEX subscriptions_uid ON subscriptions (tenant_no, uid) WHERE uid <> '' AND deleted_at = 0;
CREATE INDEX subscriptions_of ON subscriptions (tenant_no, id) WHERE deleted_at = 0;
CREATE INDEX subscriptions_of_by_name ON subscriptions (tenant_no, name, id DESC) WHERE deleted_at = 0;
CREATE INDEX subscriptions_by_name ON subscriptions (name, id DESC) WHERE deleted_at = 0;

-- The only tenant that a key may see and use; -1: all. A release that does not know the column
-- finds the scope of such a key unknown, which permits nothing.
ALTER TABLE api_keys ADD COLUMN tenant_no INTEGER NOT NULL DEFAULT -1;

CREATE TABLE event_types (
    name        TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    schema      TEXT NOT NULL,      -- byte for byte; '': none
    example     TEXT NOT NULL,      -- byte for byte; '': none
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    archived_at INTEGER NOT NULL,
    version     INTEGER NOT NULL    -- of the registry at the last change of the row
);
CREATE INDEX event_types_changed ON event_types (version);

-- One row.
CREATE TABLE event_type_version (
    version INTEGER NOT NULL        -- increases with every change to event_types
);
INSERT INTO event_type_version VALUES (1);

-- The idempotency keys of events that were published to a tenant.
CREATE TABLE event_keys (
    tenant_no  INTEGER NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    event_id   BLOB NOT NULL,
    deliveries INTEGER NOT NULL,    -- made with the event
    refused    INTEGER NOT NULL,    -- of these, failed at once
    created_at INTEGER NOT NULL,    -- that of the event, or its due time if that is later
    PRIMARY KEY (tenant_no, key)
) WITHOUT ROWID;

CREATE INDEX event_keys_age ON event_keys (created_at);
