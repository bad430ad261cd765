package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

// deletionLock is an advisory lock. Every transaction that stores deliveries holds it in
// shared mode. After it has deleted a subscription, a node waits for the lock once. Then
// every transaction that did not see the deletion has ended. The lock costs almost nothing,
// while locking the subscriptions' rows would cost a write for each.
const deletionLock = 0x686f6f6b_00000001

// Accept stores an event and its deliveries in one transaction.
func (s *Store) Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error) {
	if err := a.Check(); err != nil {
		return event.Receipt{}, err
	}
	if a.Rematch != nil && a.Published {
		return s.acceptRematched(ctx, a)
	}
	o := &op{acceptance: a}
	if err := s.writer.write(ctx, o); err != nil {
		return event.Receipt{}, err
	}
	return o.receipt, nil
}

// insertSQL stores events of the default tenant and their deliveries, and insertTenantsSQL events of
// any tenant. If a subscription of an event no longer exists, nothing of that event is stored.
// nameTables replaces the tables in braces.
var (
	insertSQL        = insertWith("", "", "")
	insertTenantsSQL = insertWith(", tenant_no", ", e.tenant_no", ", $16::int4[]")
)

// insertWith returns a statement that also writes these columns of an event.
func insertWith(columns, values, parameters string) string {
	return `WITH gone AS MATERIALIZED (
		SELECT d.event_id FROM unnest($2::uuid[], $3::uuid[]) AS d (event_id, subscription_id)
		WHERE NOT EXISTS (SELECT FROM subscriptions s WHERE s.id = d.subscription_id AND s.deleted_at IS NULL)),
	stored AS (
		INSERT INTO {deliveries} (id, event_id, subscription_id, due_at, created_at, leased_until, attempts, status, lease_owner)
		SELECT d.id, d.event_id, d.subscription_id, d.due_at, d.created_at, d.leased_until, 0, 0, d.lease_owner
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[])
			AS d (id, event_id, subscription_id, due_at, created_at, leased_until, lease_owner)
		WHERE d.event_id NOT IN (SELECT event_id FROM gone))
	INSERT INTO {events} (id, created_at, type, content_type, payload, delivery_count, data_at, data_len` + columns + `)
	SELECT e.id, e.created_at, e.type, e.content_type, e.payload, e.delivery_count, e.data_at, e.data_len` + values + `
	FROM unnest($8::uuid[], $9::timestamptz[], $10::text[], $11::text[], $12::bytea[], $13::int4[], $14::int4[], $15::int4[]` + parameters + `)
		AS e (id, created_at, type, content_type, payload, delivery_count, data_at, data_len` + columns + `)
	WHERE e.id NOT IN (SELECT event_id FROM gone)`
}

// insert stores events and their deliveries. If some were refused, the number of rows is smaller.
func (t *transaction) insert(fresh []*op) *pgx.QueuedQuery {
	t.next.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, int64(deletionLock))
	columns := append(t.deliveryColumns(fresh), eventColumns(fresh)...)
	if !slices.ContainsFunc(fresh, func(o *op) bool { return o.acceptance.Event.TenantNo != event.DefaultTenantNo }) {
		return t.next.Queue(t.in.insert, columns...)
	}
	tenant := make(ints, len(fresh))
	for i, o := range fresh {
		tenant[i] = int32(o.acceptance.Event.TenantNo)
	}
	return t.next.Queue(t.in.insertTenants, append(columns, tenant)...)
}

func (t *transaction) deliveryColumns(fresh []*op) []any {
	n := 0
	for _, o := range fresh {
		n += len(o.acceptance.Deliveries)
	}
	id, eventID, subscription := make(ids, 0, n), make(ids, 0, n), make(ids, 0, n)
	due, created, until, owner := make(times, 0, n), make(times, 0, n), make(nullTimes, 0, n), make(nullTexts, 0, n)
	for _, o := range fresh {
		for i := range o.acceptance.Deliveries {
			d := &o.acceptance.Deliveries[i]
			id, eventID, subscription = append(id, d.ID), append(eventID, d.EventID), append(subscription, d.SubscriptionID)
			due, created = append(due, t.clock.toDatabase(d.DueAt)), append(created, d.CreatedAt)
			until, owner = append(until, t.clock.toDatabase(d.LeasedUntil)), append(owner, d.LeaseOwner)
			if d.LeaseOwner == "" && d.Status == event.Pending {
				t.stored++
			}
		}
	}
	return []any{id, eventID, subscription, due, created, until, owner}
}

func eventColumns(fresh []*op) []any {
	n := len(fresh)
	id, at, kind, content, payload, deliveries := make(ids, n), make(times, n), make(texts, n), make(texts, n), make(blobs, n), make(ints, n)
	dataAt, dataLen := make(ints, n), make(ints, n)
	for i, o := range fresh {
		e := &o.acceptance.Event
		id[i], at[i], kind[i], content[i], payload[i] = e.ID, e.CreatedAt, clean(e.Type), clean(e.ContentType), e.Payload
		if payload[i] == nil {
			payload[i] = []byte{} // a nil slice would be NULL
		}
		deliveries[i], dataAt[i], dataLen[i] = int32(len(o.acceptance.Deliveries)), int32(e.DataAt), int32(e.DataLen)
	}
	return []any{id, at, kind, content, payload, deliveries, dataAt, dataLen}
}

const storedSQL = `SELECT id FROM events WHERE id = ANY($1::uuid[])`

// findRefused finds the ingested events that were not stored.
func (t *transaction) findRefused(ctx context.Context, batch []*op) error {
	var all ids
	for _, o := range batch {
		if o.ingested() {
			all = append(all, o.acceptance.Event.ID)
		}
	}
	rows, err := t.conn.Query(ctx, storedSQL, all)
	if err != nil {
		return err
	}
	stored, err := collectIDs(rows)
	if err != nil {
		return err
	}
	found := make(map[event.ID]bool, len(stored))
	for _, id := range stored {
		found[id] = true
	}
	for _, o := range batch {
		if o.ingested() && !found[o.acceptance.Event.ID] {
			o.err = fmt.Errorf("%w: a subscription of the event %s", event.ErrNotFound, o.acceptance.Event.ID)
			if len(o.acceptance.Deliveries) == 1 {
				o.err = fmt.Errorf("%w: subscription %s", event.ErrNotFound, o.acceptance.Deliveries[0].SubscriptionID)
			}
		}
	}
	return nil
}

func collectIDs(rows pgx.Rows) ([]event.ID, error) {
	var list []event.ID
	var id event.ID
	_, err := pgx.ForEachRow(rows, []any{idTo(&id)}, func() error {
		list = append(list, id)
		return nil
	})
	return list, err
}

// twins are acceptances of one batch with the same idempotency key. The first one is stored,
// and the others get its receipt.
type twins []twin

type twin struct{ first, second *op }

func (ts twins) resolve() {
	for _, t := range ts {
		switch first := t.first; {
		case errors.Is(first.err, event.ErrNotFound):
			t.second.err = first.err
		case first.keyHash != nil: // the key was used before both
			t.second.replay(first.receipt, first.keyHash)
		default:
			t.second.replay(first.receipt, first.acceptance.BodyHash[:])
		}
	}
}

// replay sets the result of an acceptance whose key was used before.
func (o *op) replay(before event.Receipt, hash []byte) {
	before.Replayed = true
	o.receipt, o.keyHash = before, hash
	if !bytes.Equal(hash, o.acceptance.BodyHash[:]) {
		o.err = fmt.Errorf("%w: it belongs to event %s", event.ErrKeyReused, before.Event)
	}
}

// keys writes the idempotency keys of the ingested events of the batch. The table's unique key
// decides between nodes: the second one waits for the commit of the first one and then reads its
// result. All nodes write keys in the same order, so that no two wait for each other.
func (t *transaction) keys(ctx context.Context, batch []*op) (twins, error) {
	first := make(map[string]*op)
	var keyed []*op
	var ts twins
	for _, o := range batch {
		if o.settlements != nil || o.acceptance.IdempotencyKey == "" || o.acceptance.Published {
			continue
		}
		if before := first[o.keyText()]; before != nil {
			o.receipt.Replayed = true // so that it is not stored
			ts = append(ts, twin{before, o})
			continue
		}
		first[o.keyText()] = o
		keyed = append(keyed, o)
	}
	if len(keyed) == 0 {
		return nil, nil
	}
	slices.SortFunc(keyed, func(a, b *op) int { return cmp.Compare(a.keyText(), b.keyText()) })
	t.begun = true
	t.next.Queue("BEGIN")
	t.takeKeys(keyed, first)
	return ts, t.flush(ctx)
}

// keyText returns the subscription and the idempotency key as one text, which sorts like the
// table's primary key.
func (o *op) keyText() string {
	return string(o.acceptance.Deliveries[0].SubscriptionID[:]) + o.acceptance.IdempotencyKey
}

const (
	takeKeysSQL = `INSERT INTO idempotency_keys (subscription_id, key, body_hash, event_id, delivery_id, created_at)
		SELECT k.* FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::uuid[], $5::uuid[], $6::timestamptz[])
			AS k (subscription_id, key, body_hash, event_id, delivery_id, created_at)
		WHERE EXISTS (SELECT FROM subscriptions s WHERE s.id = k.subscription_id AND s.deleted_at IS NULL)
		ON CONFLICT DO NOTHING`
	readKeysSQL = `SELECT k.subscription_id, k.key, k.body_hash, k.event_id, k.delivery_id
		FROM unnest($1::uuid[], $2::bytea[]) AS u (subscription_id, key)
		JOIN idempotency_keys k ON k.subscription_id = u.subscription_id AND k.key = u.key`
)

func (t *transaction) takeKeys(keyed []*op, byKey map[string]*op) {
	n := len(keyed)
	subscription, key, hash := make(ids, n), make(blobs, n), make(blobs, n)
	eventID, delivery, created := make(ids, n), make(ids, n), make(times, n)
	for i, o := range keyed {
		a := &o.acceptance
		subscription[i], key[i], hash[i] = a.Deliveries[0].SubscriptionID, []byte(a.IdempotencyKey), a.BodyHash[:]
		eventID[i], delivery[i], created[i] = a.Event.ID, a.Deliveries[0].ID, a.Deliveries[0].CreatedAt
	}
	t.next.Queue(takeKeysSQL, subscription, key, hash, eventID, delivery, created)
	t.next.Queue(readKeysSQL, subscription, key).Query(func(rows pgx.Rows) error {
		var sub, eventID, delivery event.ID
		var key, hash []byte
		_, err := pgx.ForEachRow(rows, []any{idTo(&sub), &key, &hash, idTo(&eventID), idTo(&delivery)}, func() error {
			o := byKey[string(sub[:])+string(key)]
			if delivery != o.acceptance.Deliveries[0].ID { // the key was used before
				o.replay(event.Receipt{Event: eventID, Deliveries: []event.ID{delivery}}, hash)
			}
			return nil
		})
		return err
	})
}
