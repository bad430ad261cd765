-- +goose Up

-- A delivery that is stored as already claimed has no row of its own until its first attempt
-- has ended, because its event's row contains all its data. So it is written once, and not twice.

-- Written once, never updated. seq is the order of the commits. The lease is that of a delivery
-- that has no row.
CREATE TABLE events_by_seq (
    seq             INTEGER PRIMARY KEY,
    id              BLOB NOT NULL,
    delivery_id     BLOB NOT NULL,      -- an event has one delivery
    subscription_id BLOB NOT NULL,
    type            TEXT NOT NULL,
    content_type    TEXT NOT NULL,
    payload         BLOB NOT NULL,      -- exactly as received
    created_at      INTEGER NOT NULL,
    lease_owner     TEXT,
    leased_until    INTEGER NOT NULL
);
INSERT INTO events_by_seq
    SELECT e.rowid, e.id, d.id, d.subscription_id, e.type, e.content_type, e.payload, e.created_at, NULL, 0
    FROM deliveries d JOIN events e ON e.id = d.event_id;

CREATE TABLE deliveries_by_seq (
    id              BLOB PRIMARY KEY,
    event_seq       INTEGER NOT NULL,
    subscription_id BLOB NOT NULL,
    status          INTEGER NOT NULL,   -- 0 pending, 1 delivered, 2 failed, 3 cancelled
    attempts        INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    lease_owner     TEXT,               -- NULL: nobody works on it
    leased_until    INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    settled_at      INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO deliveries_by_seq
    SELECT d.id, e.rowid, d.subscription_id, d.status, d.attempts, d.due_at, d.lease_owner, d.leased_until, d.created_at, d.settled_at
    FROM deliveries d JOIN events e ON e.id = d.event_id;

DROP TABLE deliveries;
DROP TABLE events;
ALTER TABLE events_by_seq RENAME TO events;
ALTER TABLE deliveries_by_seq RENAME TO deliveries;

-- The first two contain only unleased pending deliveries, the third only leased ones.
CREATE INDEX deliveries_due ON deliveries (due_at, subscription_id)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_waiting ON deliveries (subscription_id, due_at)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_leased ON deliveries (leased_until)
    WHERE status = 0 AND lease_owner IS NOT NULL;

-- One row. The delivery of every event before seq has its own row. Later events may have a
-- delivery without a row.
CREATE TABLE filed (
    seq INTEGER NOT NULL
);
INSERT INTO filed SELECT coalesce(max(seq), 0) + 1 FROM events;

CREATE VIEW unfiled AS
    SELECT e.* FROM events e
    WHERE e.seq >= (SELECT seq FROM filed) AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = e.delivery_id);

-- All deliveries, with and without a row.
CREATE VIEW all_deliveries AS
    SELECT id, event_seq, subscription_id, status, attempts, due_at, lease_owner, leased_until, created_at, settled_at FROM deliveries
    UNION ALL
    SELECT delivery_id, seq, subscription_id, 0, 0, created_at, lease_owner, leased_until, created_at, 0 FROM unfiled;
