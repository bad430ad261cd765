-- +goose Up

ALTER TABLE subscriptions ADD COLUMN revision      INTEGER NOT NULL DEFAULT 1;  -- rises with every change of what a caller may set
ALTER TABLE subscriptions ADD COLUMN paused_at     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN paused_by     TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN paused_reason TEXT NOT NULL DEFAULT '';

-- The checksum covers the new columns. Open writes those that are missing.
UPDATE subscriptions SET checksum = 0;

-- The health of a subscription's endpoint. No row means that it is healthy. It is a separate table
-- because attempts change it, and not callers.
CREATE TABLE subscription_health (
    subscription_id BLOB PRIMARY KEY,
    failing         INTEGER NOT NULL,
    failing_since   INTEGER NOT NULL,
    not_before      INTEGER NOT NULL,   -- no request starts before
    refused_since   INTEGER NOT NULL,
    refused_at      INTEGER NOT NULL,
    refusals        INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL
) WITHOUT ROWID;

-- Parked deliveries; see ParkedOwner in package event.
CREATE INDEX deliveries_parked ON deliveries (subscription_id, due_at)
    WHERE status = 0 AND lease_owner = 'parked';
