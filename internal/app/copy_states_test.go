package app_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

func openSQLite(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newSubscription returns a subscription with a value in each field.
func newSubscription(t *testing.T, s store.Store, edits ...func(*event.Subscription)) event.ID {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	sub := event.Subscription{
		ID: event.NewID(at), TargetURL: "https://example.com/webhook?a=ü", Description: "naïve \"quotes\"",
		EventTypes: []string{"user.*", "order.created"}, Secrets: []event.Secret{"whsec_new", "old\xff\"secret"}, RequireSignature: true,
		Headers: map[string]string{"X-A": "1", "X-B": "ü\""}, Active: true, CreatedAt: at, UpdatedAt: at,
	}
	sub.Timeout, sub.RetrySchedule = 1500*time.Millisecond, event.RetryPolicy{time.Second, time.Hour}
	sub.MaxInFlight, sub.RatePerSecond = 7, 2.5
	for _, edit := range edits {
		edit(&sub)
	}
	if err := s.CreateSubscription(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	return sub.ID
}

// offer returns an event with a delivery that is due at the given time.
func offer(sub event.ID, at time.Time, edits ...func(*event.Acceptance)) event.Acceptance {
	id := event.NewID(time.Now())
	a := event.Acceptance{
		Event: event.Event{
			ID: id, Type: "user.created", ContentType: "application/json", Payload: []byte("{\"event\": \"user.created\", \"data\": {\"\xff\": \"\x00\"}}"),
			CreatedAt: at, DataAt: 34, DataLen: 8,
		},
		Deliveries: []event.Delivery{{ID: event.DeliveryID(id, sub), EventID: id, SubscriptionID: sub, DueAt: at, CreatedAt: at}},
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

// states makes deliveries in every state.
type states struct {
	t   *testing.T
	s   *sqlite.Store
	now time.Time
}

func (m *states) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *states) accept(sub event.ID, edits ...func(*event.Acceptance)) event.Acceptance {
	m.t.Helper()
	a := offer(sub, m.now, edits...)
	_, err := m.s.Accept(m.t.Context(), a)
	m.must(err)
	return a
}

func leasedTo(owner string) func(*event.Acceptance) {
	return func(a *event.Acceptance) {
		a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = owner, a.Event.CreatedAt.Add(time.Minute)
	}
}

// attempt records an attempt of a delivery.
func (m *states) attempt(d event.Delivery, o event.Outcome, edits ...func(*event.Settlement)) event.Delivery {
	m.t.Helper()
	o.StartedAt, o.Duration, o.Peer = m.now, 80*time.Millisecond, "192.0.2.1:443"
	o.Phases = event.Phases{DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 4 * time.Millisecond}
	s := event.Settle(d, o, event.RetryPolicy{time.Hour}, m.now.Add(o.Duration), 0.5)
	for _, edit := range edits {
		edit(&s)
	}
	m.must(m.s.Record(m.t.Context(), []event.Settlement{s}))
	return s.Delivery
}

var (
	succeeds = event.Outcome{StatusCode: 200, Response: []byte("ok \xff\x00")}
	fails    = event.Outcome{Code: event.CodeStatus, StatusCode: 500, Error: "the endpoint responded with 500"}
	isGone   = event.Outcome{Code: event.CodeGone, StatusCode: 410, Error: "the endpoint responded with 410 Gone", Response: []byte{}}
)

// everyState returns a database with every kind of row and delivery. No process has it open.
func everyState(t *testing.T) string {
	t.Helper()
	path, s := makeEveryState(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// everyStateCrashed returns such a database after a crash: most of it is only in the log.
func everyStateCrashed(t *testing.T) string {
	t.Helper()
	path, _ := makeEveryState(t)
	return clone(t, path)
}

func makeEveryState(t *testing.T) (path string, s *sqlite.Store) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hookferry.db")
	m := &states{t, openSQLite(t, path), time.Now().UTC().Truncate(time.Microsecond)}
	m.addKeys()
	sub, other := newSubscription(t, m.s), newSubscription(t, m.s, func(s *event.Subscription) {
		s.EventTypes, s.Secrets, s.RetrySchedule, s.Headers, s.RequireSignature = nil, nil, nil, nil, false
	})
	m.settledOnes(sub)
	m.severalDeliveries(sub, other)
	m.waitingOnes()
	m.endedOnes()
	m.pendingOnes(sub)
	return path, m.s
}

func (m *states) addKeys() {
	for i, k := range []event.APIKey{
		{Name: "plain", Scope: event.ScopeAdmin},
		{Name: "expires", Scope: event.ScopePublish, ExpiresAt: m.now.Add(time.Hour)},
		{Name: "revoked and used", Scope: event.ScopeRead, RevokedAt: m.now, UsedAt: m.now.Add(-time.Minute)},
	} {
		k.ID, k.CreatedAt, k.Prefix, k.Hash = event.NewID(m.now), m.now, "hf_abcd", [32]byte{byte(i)}
		m.must(m.s.CreateKey(m.t.Context(), k))
	}
}

// settledOnes are delivered, failed, resent, or delivered by a stray attempt; some have a key.
func (m *states) settledOnes(sub event.ID) {
	for i := range 60 {
		key := func(a *event.Acceptance) {
			if i%3 == 0 {
				a.IdempotencyKey, a.BodyHash = strings.Repeat("k", i+1)+"\xff", [32]byte{byte(i)}
			}
		}
		m.attempt(m.accept(sub, leasedTo("node"), key).Deliveries[0], succeeds)
	}
	failed := m.attempt(m.attempt(m.accept(sub, leasedTo("node")).Deliveries[0], fails), fails)
	resent, err := m.s.Resend(m.t.Context(), failed.ID, m.now, false)
	m.must(err)
	m.attempt(resent, succeeds)
	_, err = m.s.Resend(m.t.Context(), failed.ID, m.now, true)
	m.must(err)
	late := m.accept(sub, leasedTo("node")).Deliveries[0]
	m.attempt(m.attempt(late, fails), fails)
	m.attempt(late, succeeds) // past the fence
	m.attempt(m.attempt(m.accept(sub, leasedTo("node")).Deliveries[0], fails), fails)
	cancelled := m.accept(sub).Deliveries[0]
	_, err = m.s.Cancel(m.t.Context(), cancelled.ID, m.now)
	m.must(err)
}

// severalDeliveries are events with two deliveries or with none.
func (m *states) severalDeliveries(sub, other event.ID) {
	m.accept(sub, func(a *event.Acceptance) {
		second := a.Deliveries[0]
		second.ID, second.SubscriptionID = event.DeliveryID(a.Event.ID, other), other
		a.Deliveries = append(a.Deliveries, second)
	})
	m.accept(sub, func(a *event.Acceptance) { a.Deliveries = nil })
}

// waitingOnes wait because their subscription is paused, failing or held back; some are parked.
func (m *states) waitingOnes() {
	ctx := m.t.Context()
	paused := newSubscription(m.t, m.s)
	for range 3 {
		m.accept(paused)
	}
	_, err := m.s.PauseSubscription(ctx, paused, event.Pause{At: m.now, By: "operator", Reason: "ü"})
	m.must(err)
	failing := newSubscription(m.t, m.s)
	d := m.accept(failing, leasedTo("node")).Deliveries[0]
	m.attempt(d, fails, func(s *event.Settlement) {
		s.Health = event.HealthChange{Kind: event.HealthFailing, At: m.now}
	})
	refusing := newSubscription(m.t, m.s)
	m.attempt(m.accept(refusing, leasedTo("node")).Deliveries[0], fails, func(s *event.Settlement) {
		s.Health = event.HealthChange{Kind: event.HealthRefused, StartedAt: m.now, At: m.now, RetryAfter: time.Hour}
	})
	m.accept(refusing)
	_, err = m.s.Claim(ctx, event.ClaimRequest{Owner: "node 1", Now: m.now, Until: m.now.Add(12 * time.Second), Limit: 1000, Capacity: 1, Bytes: 1 << 20})
	m.must(err)
}

// endedOnes belong to subscriptions that were deleted or deactivated.
func (m *states) endedOnes() {
	deleted := newSubscription(m.t, m.s)
	m.attempt(m.accept(deleted, leasedTo("node")).Deliveries[0], succeeds)
	m.accept(deleted)
	m.must(m.s.DeleteSubscription(m.t.Context(), deleted, m.now, 0))
	gone := newSubscription(m.t, m.s)
	m.attempt(m.accept(gone, leasedTo("node")).Deliveries[0], isGone, func(s *event.Settlement) { s.DisableReason = "410 Gone" })
	m.accept(gone)
}

// pendingOnes are due, will be due, have a lease with a row of their own, or an implicit row.
func (m *states) pendingOnes(sub event.ID) {
	m.accept(sub)
	m.accept(sub, func(a *event.Acceptance) { a.Deliveries[0].DueAt = m.now.Add(time.Hour) })
	m.attempt(m.accept(sub, leasedTo("node")).Deliveries[0], fails)
	leased := m.accept(sub, leasedTo("node 2")).Deliveries[0]
	_, err := m.s.Renew(m.t.Context(), []event.LeaseKey{leased.LeaseKey()}, m.now.Add(2*time.Minute))
	m.must(err)
	for range 25 {
		m.accept(sub, leasedTo("node 3"))
	}
}
