-- +goose Up

-- Times are microseconds since 1970, 0 for none. Ids are UUIDv7, 16 bytes.

CREATE TABLE subscriptions (
    id                BLOB PRIMARY KEY,
    target_url        TEXT NOT NULL,
    description       TEXT NOT NULL,
    event_types       TEXT NOT NULL,    -- JSON list of patterns
    secrets           TEXT NOT NULL,    -- JSON list, newest first
    require_signature INTEGER NOT NULL,
    headers           TEXT NOT NULL,    -- JSON object
    is_active         INTEGER NOT NULL,
    inactive_since    INTEGER NOT NULL,
    disabled_reason   TEXT NOT NULL,
    timeout_us        INTEGER NOT NULL,
    retry_schedule    TEXT,             -- JSON list of microseconds; NULL is the service's setting
    max_in_flight     INTEGER NOT NULL,
    rate_per_second   REAL NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    deleted_at        INTEGER NOT NULL
) WITHOUT ROWID;

-- Written once, never updated. A rowid table, because its rows are large: the
-- index on ids then stays small.
CREATE TABLE events (
    id           BLOB PRIMARY KEY,
    type         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    payload      BLOB NOT NULL,         -- exactly as received
    created_at   INTEGER NOT NULL
);

-- Narrow, because its rows change: a delivery's row is its place in the queue.
CREATE TABLE deliveries (
    id              BLOB PRIMARY KEY,
    event_id        BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    status          INTEGER NOT NULL,   -- 0 pending, 1 delivered, 2 failed, 3 cancelled
    attempts        INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    lease_owner     TEXT,               -- NULL: nobody works on it
    leased_until    INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    settled_at      INTEGER NOT NULL
) WITHOUT ROWID;

-- The first two contain only unleased pending deliveries, the third only leased ones. A
-- delivery that is stored as already claimed and succeeds at once changes only the third.
CREATE INDEX deliveries_due ON deliveries (due_at, subscription_id)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_waiting ON deliveries (subscription_id, due_at)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_leased ON deliveries (leased_until)
    WHERE status = 0 AND lease_owner IS NOT NULL;

-- Only appended. The key keeps the attempts of a delivery together.
CREATE TABLE delivery_attempts (
    delivery_id     BLOB NOT NULL,
    id              BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    attempt_number  INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    dns_us          INTEGER NOT NULL,
    connect_us      INTEGER NOT NULL,
    tls_us          INTEGER NOT NULL,
    first_byte_us   INTEGER NOT NULL,
    peer            TEXT NOT NULL,
    status_code     INTEGER NOT NULL,
    code            TEXT NOT NULL,      -- '' is success
    error           TEXT NOT NULL,
    response        BLOB,               -- the beginning of the answer's body
    PRIMARY KEY (delivery_id, id)
) WITHOUT ROWID;

CREATE INDEX delivery_attempts_subscription ON delivery_attempts (subscription_id, id);

CREATE TABLE idempotency_keys (
    subscription_id BLOB NOT NULL,
    key             TEXT NOT NULL,
    body_hash       BLOB NOT NULL,
    event_id        BLOB NOT NULL,
    delivery_id     BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (subscription_id, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE api_keys (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,    -- SHA-256 of the key; the key itself is not kept
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) WITHOUT ROWID;
