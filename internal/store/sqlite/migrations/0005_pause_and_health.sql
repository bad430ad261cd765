-- +goose Up

ALTER TABLE subscriptions ADD COLUMN revision      INTEGER NOT NULL DEFAULT 1;  -- rises with every change of what a caller may set
ALTER TABLE subscriptions ADD COLUMN paused_at     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN paused_by     TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN paused_reason TEXT NOT NULL DEFAULT '';

-- The checksum covers the new columns. Open writes those that are missing.
UPDATE subscriptions SET checksum = 0;

-- What attempts have shown of a subscription's endpoint; no row says that all is well. It is a
-- table of its own, because it changes with attempts and not with what a caller sets.
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

-- Deliveries that are due and wait for long; see ParkedOwner in package event.
CREATE INDEX deliveries_parked ON deliveries (subscription_id, due_at)
    WHERE status = 0 AND lease_owner = 'parked';
