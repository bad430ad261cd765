package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// publishSQL stores published events with their deliveries and idempotency keys, and returns the
// ids of the events that it stored. It stores nothing of an event
//
//   - that was matched at another version of its tenant than the present one, or whose tenant was
//     deleted,
//   - that was checked against another version of the event types,
//   - that has a delivery to a subscription that does not exist or was deleted,
//   - whose key was used before.
//
// All of this is one statement, and so one snapshot, which begins after Accept was called: it sees
// every subscription whose creation was committed before. A subscription that is created while the
// statement runs gets no delivery, as if it were created after the event.
//
// If two transactions use one key, the second waits for the first one, and takes the key if the
// first one is rolled back. All transactions write keys in the same order, so that no two wait for
// each other. Of two events with one key in the same statement, only the first is stored.
//
// Scalar subqueries make PostgreSQL look up each row by an index, and NOT IN makes it hash the ids,
// however many rows it expects.
const publishSQL = `WITH offered AS MATERIALIZED (
		SELECT * FROM unnest($8::uuid[], $9::timestamptz[], $13::int4[], $18::int8[], $19::int8[], $20::int8[], $21::bytea[], $22::bytea[], $23::int4[])
			WITH ORDINALITY AS o (id, created_at, deliveries, tenant_no, tenant_version, types_version, key, body_hash, refused, n)),
	stale AS MATERIALIZED (
		SELECT o.id FROM offered o WHERE o.types_version IS DISTINCT FROM (SELECT version FROM event_type_version)
			OR o.tenant_version IS DISTINCT FROM (SELECT t.version FROM tenants t WHERE t.no = o.tenant_no AND t.deleted_at IS NULL)
		UNION ALL SELECT d.event_id FROM unnest($2::uuid[], $3::uuid[]) AS d (event_id, subscription_id)
			WHERE (SELECT s.deleted_at IS NULL FROM subscriptions s WHERE s.id = d.subscription_id) IS NOT TRUE),
	taken AS (
		INSERT INTO event_keys (tenant_no, key, body_hash, event_id, deliveries, refused, created_at)
		SELECT o.tenant_no, o.key, o.body_hash, o.id, o.deliveries, o.refused, o.created_at FROM offered o
		WHERE o.key IS NOT NULL AND o.id NOT IN (SELECT id FROM stale) ORDER BY o.n
		ON CONFLICT DO NOTHING RETURNING event_id),
	refused AS MATERIALIZED (
		SELECT id FROM stale
		UNION ALL SELECT o.id FROM offered o WHERE o.key IS NOT NULL AND o.id NOT IN (SELECT event_id FROM taken)),
	stored AS (
		INSERT INTO {deliveries} (id, event_id, subscription_id, due_at, created_at, leased_until, attempts, status, lease_owner, settled_at)
		SELECT d.id, d.event_id, d.subscription_id, d.due_at, d.created_at, d.leased_until, 0, d.status, d.lease_owner, d.settled_at
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $16::int2[], $17::timestamptz[])
			AS d (id, event_id, subscription_id, due_at, created_at, leased_until, lease_owner, status, settled_at)
		WHERE d.event_id NOT IN (SELECT id FROM refused))
	INSERT INTO {events} (id, created_at, type, content_type, payload, delivery_count, data_at, data_len, tenant_no, metadata, idempotency_key, retry)
	SELECT e.id, e.created_at, e.type, e.content_type, e.payload, e.delivery_count, e.data_at, e.data_len, e.tenant_no, e.metadata, e.key, e.single = 0
	FROM unnest($8::uuid[], $9::timestamptz[], $10::text[], $11::text[], $12::bytea[], $13::int4[], $14::int4[], $15::int4[], $18::int8[], $24::text[], $25::text[], $26::int2[])
		AS e (id, created_at, type, content_type, payload, delivery_count, data_at, data_len, tenant_no, metadata, key, single)
	WHERE e.id NOT IN (SELECT id FROM refused) RETURNING id`

// publish queues the statement that stores published events. Those that it does not store are in
// t.refused afterwards.
func (t *transaction) publish(list []*op) {
	slices.SortStableFunc(list, func(a, b *op) int {
		return cmp.Or(cmp.Compare(a.acceptance.Event.TenantNo, b.acceptance.Event.TenantNo), cmp.Compare(a.acceptance.IdempotencyKey, b.acceptance.IdempotencyKey))
	})
	args := append(t.deliveryColumns(list), eventColumns(list)...)
	args = append(append(args, settledColumns(list)...), publishedColumns(list)...)
	t.next.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, int64(deletionLock))
	t.next.Queue(t.in.publish, args...).Query(func(rows pgx.Rows) error {
		stored, err := collectIDs(rows)
		if err == nil && len(stored) < len(list) {
			t.refused = slices.DeleteFunc(list, func(o *op) bool { return slices.Contains(stored, o.acceptance.Event.ID) })
		}
		return err
	})
}

// settledColumns are the columns of deliveries that only a published event has: those that fail at
// once.
func settledColumns(list []*op) []any {
	status, settled := shorts{}, nullTimes{}
	for _, o := range list {
		for i := range o.acceptance.Deliveries {
			d := &o.acceptance.Deliveries[i]
			status, settled = append(status, int16(d.Status)), append(settled, d.SettledAt)
		}
	}
	return []any{status, settled}
}

// publishedColumns are the columns that only a published event has.
func publishedColumns(list []*op) []any {
	n := len(list)
	tenant, version, types := make(longs, n), make(longs, n), make(longs, n)
	key, hash, refused := make(blobs, n), make(blobs, n), make(ints, n)
	metadata, keyText, single := make(texts, n), make(texts, n), make(shorts, n)
	for i, o := range list {
		a := &o.acceptance
		tenant[i], version[i], types[i] = a.Event.TenantNo, a.TenantVersion, a.TypesVersion
		hash[i], keyText[i], refused[i] = a.BodyHash[:], clean(a.IdempotencyKey), int32(o.receipt.Refused)
		if a.IdempotencyKey != "" {
			key[i] = []byte(a.IdempotencyKey)
		}
		if a.Event.Attributes != nil {
			metadata[i] = store.JSON(a.Event.Attributes)
		}
		if a.Event.SingleAttempt {
			single[i] = 1
		}
	}
	return []any{tenant, version, types, key, hash, refused, metadata, keyText, single}
}

const (
	// whyRefusedSQL reads what decides about an event that was not stored.
	whyRefusedSQL = `SELECT (SELECT version FROM event_type_version), coalesce(t.id, ''), coalesce(t.version, 0), t.no IS NULL OR t.deleted_at IS NOT NULL,
			coalesce(k.event_id, '00000000-0000-0000-0000-000000000000'), k.body_hash, coalesce(k.deliveries, 0), coalesce(k.refused, 0)
		FROM (SELECT 1) AS one LEFT JOIN tenants t ON t.no = $1 LEFT JOIN event_keys k ON k.tenant_no = $1 AND k.key = $2`
	goneSQL = `SELECT d.id FROM unnest($1::uuid[]) AS d (id)
		WHERE (SELECT s.deleted_at IS NULL FROM subscriptions s WHERE s.id = d.id) IS NOT TRUE LIMIT 1`
)

// whyRefused is what decides about an event that was not stored. It may be newer than what decided
// when the event was refused.
type whyRefused struct {
	typesVersion  int64
	tenant        string
	tenantVersion int64
	isDeleted     bool          // the tenant does not exist, or was deleted
	before        event.Receipt // of the event that has the key; its Event is zero if there is none
	hash          []byte        // the body hash of the key
}

func (w *whyRefused) into() []any {
	return []any{&w.typesVersion, &w.tenant, &w.tenantVersion, &w.isDeleted, idTo(&w.before.Event), &w.hash, &w.before.Made, &w.before.Refused}
}

// explainRefused sets the results of published events that were not stored.
func (t *transaction) explainRefused(ctx context.Context) error {
	if len(t.refused) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	var others []*op // whose reason these rows do not say
	for _, o := range t.refused {
		var w whyRefused
		b.Queue(whyRefusedSQL, o.acceptance.Event.TenantNo, []byte(o.acceptance.IdempotencyKey)).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(w.into()...); err != nil {
				return err
			}
			if !o.refuse(&w) {
				others = append(others, o)
			}
			return nil
		})
	}
	if err := t.conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	for _, o := range others {
		if err := t.findGone(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// refuse sets the result of a published event that was not stored. It returns false if it finds no
// reason.
func (o *op) refuse(w *whyRefused) bool {
	a := &o.acceptance
	switch {
	case o.refuseAnyVersion(w):
	case w.tenantVersion != a.TenantVersion:
		o.err = fmt.Errorf("%w: event %s was matched at version %d of tenant %s, which is at version %d now; match it again",
			event.ErrStale, a.Event.ID, a.TenantVersion, w.tenant, w.tenantVersion)
	case w.typesVersion != a.TypesVersion:
		o.err = fmt.Errorf("%w: event %s was checked at version %d of the event types, which are at version %d now; check it again",
			event.ErrStale, a.Event.ID, a.TypesVersion, w.typesVersion)
	default:
		return false
	}
	return true
}

// refuseAnyVersion sets the result of an event that is not stored, whatever version it was matched
// at: its tenant was deleted, or its key is known, which makes it a replay.
func (o *op) refuseAnyVersion(w *whyRefused) bool {
	a := &o.acceptance
	switch {
	case w.isDeleted:
		o.err = fmt.Errorf("%w: tenant %s of event %s", event.ErrNotFound, cmp.Or(w.tenant, fmt.Sprint(a.Event.TenantNo)), a.Event.ID)
	case !w.before.Event.IsZero():
		o.replay(w.before, w.hash)
	default:
		return false
	}
	return true
}

// findGone sets the result of an event whose versions are right, which is refused because of one of
// its subscriptions, or was when its key was taken for a moment.
func (t *transaction) findGone(ctx context.Context, o *op) error {
	subscriptions := make(ids, len(o.acceptance.Deliveries))
	for i := range o.acceptance.Deliveries {
		subscriptions[i] = o.acceptance.Deliveries[i].SubscriptionID
	}
	rows, err := t.conn.Query(ctx, goneSQL, subscriptions)
	if err != nil {
		return err
	}
	gone, err := collectIDs(rows)
	if err != nil {
		return err
	}
	if len(gone) > 0 {
		o.err = fmt.Errorf("%w: subscription %s of event %s", event.ErrNotFound, gone[0], o.acceptance.Event.ID)
		return nil
	}
	o.err = fmt.Errorf("%w: event %s was refused for a reason that has passed; match it again", event.ErrStale, o.acceptance.Event.ID)
	return nil
}
