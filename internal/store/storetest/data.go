package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// rig is a new store with short helpers for the cases.
type rig struct {
	t *testing.T
	s store.Store
	// now is the present time of the case. It is close to the real time, because a driver
	// may have partitions only for these days. A case that needs something old advances
	// the time instead. now has microseconds, which stores must not truncate.
	now   time.Time
	ticks *atomic.Int64
}

func newRig(t *testing.T, s store.Store) rig {
	now := time.Now().UTC().Truncate(time.Second).Add(123_456 * time.Microsecond)
	return rig{t: t, s: s, now: now, ticks: new(atomic.Int64)}
}

// tick returns a time one millisecond after the last tick, so that ids made with it sort in
// the order of the calls.
func (r rig) tick() time.Time {
	return r.now.Add(time.Duration(r.ticks.Add(1)) * time.Millisecond)
}

// subscribe creates a subscription with only the required fields.
func (r rig) subscribe(edits ...func(*event.Subscription)) event.Subscription {
	r.t.Helper()
	at := r.tick()
	s := event.Subscription{
		ID:        event.NewID(at),
		Tenant:    event.DefaultTenant,
		TargetURL: "https://example.com/webhook",
		Active:    true,
		CreatedAt: at,
		UpdatedAt: at,
	}
	for _, edit := range edits {
		edit(&s)
	}
	r.must("create a subscription", r.s.CreateSubscription(r.t.Context(), s))
	s.Revision = 1
	return s
}

// subscriptions creates n subscriptions and returns their ids.
func (r rig) subscriptions(n int) []event.ID {
	r.t.Helper()
	ids := make([]event.ID, n)
	for i := range ids {
		ids[i] = r.subscribe().ID
	}
	return ids
}

// offer returns an event for the subscription with its delivery, due now and not leased. It
// is not in the store yet.
func (r rig) offer(subscription event.ID, edits ...func(*event.Acceptance)) event.Acceptance {
	at := r.tick()
	id := event.NewID(at)
	a := event.Acceptance{
		Event: event.Event{
			ID:          id,
			Type:        "user.created",
			ContentType: "application/json",
			Payload:     []byte(`{"event": "user.created", "data": {"id": 123}}`),
			CreatedAt:   at,
			DataAt:      34,
			DataLen:     11,
		},
		Deliveries: []event.Delivery{{
			ID:             event.DeliveryID(id, subscription),
			EventID:        id,
			SubscriptionID: subscription,
			Status:         event.Pending,
			DueAt:          r.now,
			CreatedAt:      at,
		}},
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

// accept stores an offer.
func (r rig) accept(subscription event.ID, edits ...func(*event.Acceptance)) event.Acceptance {
	r.t.Helper()
	a := r.offer(subscription, edits...)
	receipt, err := r.s.Accept(r.t.Context(), a)
	r.must("accept an event", err)
	same(r.t, "receipt", receipt, a.Receipt())
	return a
}

func due(at time.Time) func(*event.Acceptance) {
	return func(a *event.Acceptance) { a.Deliveries[0].DueAt = at }
}

func leased(owner string, until time.Time) func(*event.Acceptance) {
	return func(a *event.Acceptance) {
		for i := range a.Deliveries {
			a.Deliveries[i].LeaseOwner, a.Deliveries[i].LeasedUntil = owner, until
		}
	}
}

func payload(b []byte) func(*event.Acceptance) {
	return func(a *event.Acceptance) { a.Event.Payload = b }
}

func key(key string, body byte) func(*event.Acceptance) {
	return func(a *event.Acceptance) { a.IdempotencyKey, a.BodyHash = key, [32]byte{body} }
}

// request returns a request for everything that is due now, leased to node-a for a minute.
func (r rig) request(edits ...func(*event.ClaimRequest)) event.ClaimRequest {
	q := event.ClaimRequest{Owner: "node-a", Now: r.now, Until: r.now.Add(time.Minute), Limit: 1000, Capacity: 1000}
	for _, edit := range edits {
		edit(&q)
	}
	return q
}

func (r rig) claim(edits ...func(*event.ClaimRequest)) event.Claim {
	r.t.Helper()
	c, err := r.s.Claim(r.t.Context(), r.request(edits...))
	r.must("claim", err)
	return c
}

// claimOne claims the only delivery that is due. It fails if there is another.
func (r rig) claimOne(edits ...func(*event.ClaimRequest)) event.Delivery {
	r.t.Helper()
	c := r.claim(edits...)
	if len(c.Deliveries) != 1 {
		r.t.Fatalf("claimed %d deliveries, want the one that is due", len(c.Deliveries))
	}
	return c.Deliveries[0].Delivery
}

func owner(name string) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.Owner = name }
}

func asOf(now time.Time) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.Now, q.Until = now, now.Add(time.Minute) }
}

func until(end time.Time) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.Until = end }
}

func limit(n int) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.Limit = n }
}

func capacity(n int) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.Capacity = n }
}

func capacityOf(capacities map[event.ID]int) func(*event.ClaimRequest) {
	return func(q *event.ClaimRequest) { q.CapacityOf = capacities }
}

// retries is the retry schedule of every settlement in the suite.
var retries = event.RetryPolicy{10 * time.Second, time.Minute}

// settle returns the settlement of an attempt that started at the given time. It is not in
// the store yet.
func settle(d event.Delivery, started time.Time, o event.Outcome) event.Settlement {
	o.StartedAt, o.Duration = started, 80*time.Millisecond
	return event.Settle(d, o, retries, started.Add(o.Duration), 0.5)
}

func success() event.Outcome { return event.Outcome{StatusCode: 200, Response: []byte("ok")} }

func failure() event.Outcome {
	return event.Outcome{Code: event.CodeStatus, StatusCode: 500, Error: "the endpoint responded with 500"}
}

func gone() event.Outcome {
	return event.Outcome{Code: event.CodeGone, StatusCode: 410, Error: "the endpoint responded with 410 Gone"}
}

func (r rig) record(settlements ...event.Settlement) {
	r.t.Helper()
	r.must("record", r.s.Record(r.t.Context(), settlements))
}

func (r rig) subscription(id event.ID) event.Subscription {
	r.t.Helper()
	s, err := r.s.Subscription(r.t.Context(), id)
	r.must("read a subscription", err)
	return s
}

func (r rig) delivery(id event.ID) event.DeliveryReport {
	r.t.Helper()
	d, err := r.s.Delivery(r.t.Context(), id)
	r.must("read a delivery", err)
	return d
}

// activate replaces the subscription with the given values of Active and UpdatedAt.
func (r rig) activate(s event.Subscription, active bool, at time.Time) {
	r.t.Helper()
	s.Revision = 0
	s.Active, s.UpdatedAt = active, at
	_, err := r.s.ReplaceSubscription(r.t.Context(), s)
	r.must("replace a subscription", err)
}

func (r rig) must(what string, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

func (r rig) mustFail(what string, err, want error) {
	r.t.Helper()
	if !errors.Is(err, want) {
		r.t.Fatalf("%s: got error %v, want one that wraps %q", what, err, want)
	}
}

// counted checks how many deliveries have each status.
func (r rig) counted(want map[event.Status]int) {
	r.t.Helper()
	got, err := r.s.Count(r.t.Context())
	r.must("count", err)
	for _, status := range event.Statuses {
		if got[status] != want[status] {
			r.t.Errorf("%d deliveries are %s, want %d", got[status], status, want[status])
		}
	}
}

// same compares whole values. It treats a nil slice like an empty one. A case for which the
// difference matters checks it itself.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (- wanted, + found):\n%s", what, diff)
	}
}

// sameDelivery compares two deliveries. It ignores the due time of settled ones.
func sameDelivery(t *testing.T, got, want event.Delivery) {
	t.Helper()
	if want.Status != event.Pending {
		got.DueAt, want.DueAt = time.Time{}, time.Time{}
	}
	same(t, fmt.Sprintf("delivery %s", want.ID), got, want)
}

// inUTC checks that times came back in UTC, so that results do not depend on the machine's
// time zone.
func inUTC(t *testing.T, times map[string]time.Time) {
	t.Helper()
	for name, at := range times {
		if at.Location() != time.UTC {
			t.Errorf("%s came back in %s, want UTC", name, at.Location())
		}
	}
}
