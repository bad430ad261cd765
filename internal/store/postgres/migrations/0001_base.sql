-- +goose Up

-- A time that is not set is NULL. Ids are UUIDv7, whose order is that of time.

CREATE TABLE subscriptions (
    id                uuid PRIMARY KEY,
    target_url        text NOT NULL,
    description       text NOT NULL,
    event_types       text[] NOT NULL,      -- patterns
    secrets           bytea[] NOT NULL,     -- newest first; bytes, because any are allowed
    require_signature boolean NOT NULL,
    headers           json NOT NULL,
    is_active         boolean NOT NULL,
    inactive_since    timestamptz NOT NULL, -- while it is not active
    disabled_reason   text NOT NULL,
    timeout_us        bigint NOT NULL,
    retry_schedule_us bigint[],             -- NULL is the service's setting
    max_in_flight     integer NOT NULL,
    rate_per_second   double precision NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    deleted_at        timestamptz
);

CREATE INDEX subscriptions_inactive ON subscriptions (inactive_since) WHERE NOT is_active;

-- The next three tables are partitioned by the time in their ids. The service creates
-- partitions in advance and drops expired ones. There is no default partition, because
-- rows in it would prevent both.

-- Written once, never updated.
CREATE TABLE events (
    id           uuid PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    type         text NOT NULL,
    content_type text NOT NULL,
    payload      bytea NOT NULL             -- exactly as received
) PARTITION BY RANGE (id);

-- Narrow, because its rows change: a delivery's row is its place in the queue.
CREATE TABLE deliveries (
    id              uuid PRIMARY KEY,
    event_id        uuid NOT NULL,
    subscription_id uuid NOT NULL,
    due_at          timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    leased_until    timestamptz,
    settled_at      timestamptz,
    attempts        integer NOT NULL,
    status          smallint NOT NULL,      -- 0 pending, 1 delivered, 2 failed, 3 cancelled
    lease_owner     text                    -- NULL: nobody works on it
) PARTITION BY RANGE (id);

-- The first two contain only unleased pending deliveries, the third only leased ones. A
-- delivery that is stored as already claimed and succeeds at once changes only the third.
CREATE INDEX deliveries_due ON deliveries (due_at, subscription_id, id)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_waiting ON deliveries (subscription_id, due_at, id)
    WHERE status = 0 AND lease_owner IS NULL;
CREATE INDEX deliveries_leased ON deliveries (leased_until)
    WHERE status = 0 AND lease_owner IS NOT NULL;

-- Only appended. Partitioned by the delivery's id, so that attempts are dropped together
-- with their delivery.
CREATE TABLE delivery_attempts (
    delivery_id     uuid NOT NULL,
    id              uuid NOT NULL,
    subscription_id uuid NOT NULL,
    started_at      timestamptz NOT NULL,
    duration_us     bigint NOT NULL,
    dns_us          integer NOT NULL,
    connect_us      integer NOT NULL,
    tls_us          integer NOT NULL,
    first_byte_us   integer NOT NULL,
    attempt_number  integer NOT NULL,
    status_code     integer NOT NULL,
    peer            text NOT NULL,
    code            text NOT NULL,          -- '' is success
    error           text NOT NULL,
    response        bytea,                  -- the beginning of the answer's body
    PRIMARY KEY (delivery_id, id)
) PARTITION BY RANGE (delivery_id);

CREATE INDEX delivery_attempts_subscription ON delivery_attempts (subscription_id, id);

CREATE TABLE idempotency_keys (
    subscription_id uuid NOT NULL,
    key             bytea NOT NULL,         -- bytes, because a header may hold any
    body_hash       bytea NOT NULL,
    event_id        uuid NOT NULL,
    delivery_id     uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (subscription_id, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    prefix     text NOT NULL,
    hash       bytea NOT NULL UNIQUE,       -- SHA-256 of the key; the key itself is not kept
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
