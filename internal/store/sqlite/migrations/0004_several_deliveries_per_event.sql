-- +goose Up

-- An event may have any number of deliveries. Their ids are derived from the event's id (package
-- event, DeliveryID), so that they are found by the primary key. New columns have constant
-- defaults, so that no row is rewritten. They are stored after the payload, which may be large, so
-- a list must not read them.

ALTER TABLE events ADD COLUMN tenant_no       INTEGER NOT NULL DEFAULT 0;   -- 0 is the tenant "default"
ALTER TABLE events ADD COLUMN delivery_count  INTEGER NOT NULL DEFAULT -1;  -- made with it; -1: one, by release 0.1.0, with an id of its own
ALTER TABLE events ADD COLUMN data_at         INTEGER NOT NULL DEFAULT 0;   -- where data lies in the payload, in bytes
ALTER TABLE events ADD COLUMN data_len        INTEGER NOT NULL DEFAULT 0;   -- 0: not known
ALTER TABLE events ADD COLUMN metadata        TEXT NOT NULL DEFAULT '';     -- a JSON object
ALTER TABLE events ADD COLUMN idempotency_key TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN traceparent     TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN retry           INTEGER NOT NULL DEFAULT 1;   -- 0: one attempt and no more
ALTER TABLE events ADD COLUMN erased_at       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN checksum        INTEGER NOT NULL DEFAULT 0;   -- of what is delivered; 0: none

ALTER TABLE deliveries ADD COLUMN round        INTEGER NOT NULL DEFAULT 0;  -- one more with each resend
ALTER TABLE deliveries ADD COLUMN round_from   INTEGER NOT NULL DEFAULT 0;  -- attempts that the schedule of the round does not count
ALTER TABLE deliveries ADD COLUMN stray        INTEGER NOT NULL DEFAULT 0;  -- attempts recorded past the fence
ALTER TABLE deliveries ADD COLUMN delivered_at INTEGER NOT NULL DEFAULT 0;  -- the first success, once settled_at does not say it
ALTER TABLE deliveries ADD COLUMN replay_id    BLOB NOT NULL DEFAULT x'';

ALTER TABLE delivery_attempts ADD COLUMN url              TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery_attempts ADD COLUMN trigger          INTEGER NOT NULL DEFAULT 0;  -- 0 scheduled, 1 manual, 2 test, 3 replay
ALTER TABLE delivery_attempts ADD COLUMN response_headers TEXT NOT NULL DEFAULT '';    -- a JSON object
ALTER TABLE delivery_attempts ADD COLUMN reused           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_attempts ADD COLUMN protocol         TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery_attempts ADD COLUMN tls_version      TEXT NOT NULL DEFAULT '';

-- The settings without a column of their own; a JSON object.
ALTER TABLE subscriptions ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- Of all other columns; 0: none. Open writes those that are missing.
ALTER TABLE subscriptions ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;

-- These contain no rows for an event of the default tenant whose deliveries succeed.
CREATE INDEX events_tenant ON events (tenant_no, seq) WHERE tenant_no <> 0;
CREATE INDEX events_without_deliveries ON events (id) WHERE delivery_count = 0;
CREATE INDEX deliveries_failed ON deliveries (id) WHERE status = 2;
CREATE INDEX deliveries_failed_of ON deliveries (subscription_id, id) WHERE status = 2;
CREATE INDEX deliveries_unattempted ON deliveries (subscription_id, id) WHERE attempts = 0 AND status >= 2;

-- delivery_id and subscription_id of an event are those of its only delivery, or zero.
DROP VIEW all_deliveries;
DROP VIEW unfiled;

CREATE VIEW unfiled AS
    SELECT e.seq, e.delivery_id, e.subscription_id, e.created_at, e.lease_owner, e.leased_until FROM events e
    WHERE e.seq >= (SELECT seq FROM filed) AND e.delivery_id <> zeroblob(16)
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = e.delivery_id);

-- All deliveries, with and without a row.
CREATE VIEW all_deliveries AS
    SELECT id, event_seq, subscription_id, status, attempts, due_at, lease_owner, leased_until, created_at, settled_at,
        round, round_from, stray, delivered_at FROM deliveries
    UNION ALL
    SELECT delivery_id, seq, subscription_id, 0, 0, created_at, lease_owner, leased_until, created_at, 0, 0, 0, 0, 0 FROM unfiled;
