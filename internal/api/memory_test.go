package api

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hookferry/hookferry/internal/event"
)

// memory stands in for the store, ingest and the key ring. It keeps only the promises that the API
// relies on.
type memory struct {
	mu            sync.Mutex
	subscriptions []event.Subscription
	deliveries    []event.DeliveryReport
	attempts      []event.AttemptReport
	replays       map[string]replay
	submissions   []event.Submission
	replaced      event.Subscription // the argument of the last replace
	asked         int                // the limit of the last list
	fail          error              // returned by every method, if not nil
	overtake      func()             // if not nil, called without the lock before each change of a subscription
}

// race lets other changes come between reading and changing a subscription.
func (m *memory) race() {
	if m.overtake != nil {
		m.overtake()
	}
}

type replay struct {
	body    []byte
	receipt event.Receipt
}

const testKey = "hf_test_key_0123456789abcdef"

// testKeys are the existing keys, by their text.
var testKeys = map[string]event.APIKey{
	testKey:           {Scope: event.ScopeAdmin, Name: "ops"},
	testKey + "-pub":  {Scope: event.ScopePublish},
	testKey + "-read": {Scope: event.ScopeRead, ExpiresAt: testTime.Add(1000 * time.Hour)},
	testKey + "-odd":  {Scope: "of a later release"},
	testKey + "-old":  {Scope: event.ScopeAdmin, ExpiresAt: testTime},
	testKey + "-gone": {Scope: event.ScopeAdmin, RevokedAt: testTime},
}

func (m *memory) FindKey(_ context.Context, text string) (event.APIKey, error) {
	key, found := testKeys[text]
	if m.fail == nil && !found {
		return key, event.ErrNotFound
	}
	return key, m.fail
}

func (m *memory) find(id event.ID) (int, error) {
	i := slices.IndexFunc(m.subscriptions, func(s event.Subscription) bool { return s.ID == id })
	if m.fail != nil {
		return 0, m.fail
	}
	if i < 0 {
		return 0, event.ErrNotFound
	}
	return i, nil
}

func (m *memory) CreateSubscription(_ context.Context, s event.Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.subscriptions = append(m.subscriptions, s)
	}
	return m.fail
}

func (m *memory) Subscription(_ context.Context, id event.ID) (event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(id)
	if err != nil {
		return event.Subscription{}, err
	}
	return m.subscriptions[i], nil
}

func (m *memory) ListSubscriptions(_ context.Context, before event.ID, limit int) ([]event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = limit
	var page []event.Subscription
	for _, s := range slices.Backward(m.subscriptions) {
		if !s.Deleted() && older(s.ID, before) && len(page) < limit {
			page = append(page, s)
		}
	}
	return page, m.fail
}

func (m *memory) ReplaceSubscription(_ context.Context, s event.Subscription) (event.Subscription, error) {
	m.race()
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(s.ID)
	if err != nil {
		return event.Subscription{}, err
	}
	if s.Revision != 0 && s.Revision != m.subscriptions[i].Revision {
		return event.Subscription{}, event.ErrChanged
	}
	m.replaced = s
	s.Revision = m.subscriptions[i].Revision + 1
	if s.Secrets == nil {
		s.Secrets = m.subscriptions[i].Secrets
	}
	m.subscriptions[i] = s
	return s, nil
}

func (m *memory) PauseSubscription(_ context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(id)
	if err != nil {
		return event.Subscription{}, err
	}
	s := &m.subscriptions[i]
	if !s.Paused() {
		s.PausedAt = p.At
	}
	s.PausedBy, s.PausedReason = p.By, p.Reason
	return *s, nil
}

func (m *memory) ResumeSubscription(_ context.Context, id event.ID, _ time.Time) (event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(id)
	if err != nil {
		return event.Subscription{}, err
	}
	s := &m.subscriptions[i]
	s.PausedAt, s.PausedBy, s.PausedReason = time.Time{}, "", ""
	return *s, nil
}

func (m *memory) DeleteSubscription(_ context.Context, id event.ID, at time.Time, revision int64) error {
	m.race()
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(id)
	if err == nil && m.subscriptions[i].Deleted() {
		err = event.ErrNotFound
	}
	if err == nil && revision != 0 && revision != m.subscriptions[i].Revision {
		err = event.ErrChanged
	}
	if err != nil {
		return err
	}
	s := &m.subscriptions[i]
	s.DeletedAt, s.Secrets, s.Headers = at, nil, nil
	return nil
}

func (m *memory) Delivery(_ context.Context, id event.ID) (event.DeliveryReport, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if d.Delivery.ID == id {
			return d, m.fail
		}
	}
	return event.DeliveryReport{}, event.ErrNotFound
}

func (m *memory) EventDeliveries(_ context.Context, id event.ID, limit int) (ids []event.ID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if d.Delivery.EventID == id && len(ids) < limit {
			ids = append(ids, d.Delivery.ID)
		}
	}
	if len(ids) == 0 {
		err = event.ErrNotFound
	}
	return ids, err
}

func (m *memory) ListAttempts(_ context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = limit
	var page []event.AttemptReport
	for _, a := range slices.Backward(m.attempts) {
		if a.Attempt.SubscriptionID == subscription && older(a.Attempt.ID, before) && len(page) < limit {
			page = append(page, a)
		}
	}
	return page, m.fail
}

func older(id, before event.ID) bool {
	return before.IsZero() || bytes.Compare(id[:], before[:]) < 0
}

// Ingest matches and responds like the real one. The tests of package ingest test its checks of
// bodies.
func (m *memory) Ingest(ctx context.Context, s event.Submission) (event.Submitted, error) {
	sub, err := m.Subscription(ctx, s.SubscriptionID)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.submissions = append(m.submissions, s)
	var in EventInput
	switch {
	case err != nil:
		return event.Submitted{}, err
	case sub.Deleted():
		return event.Submitted{}, event.ErrNotFound
	case !sub.Active:
		return event.Submitted{}, event.ErrInactive
	case sub.RequireSignature && s.Header.Get("X-Hub-Signature-256") == "":
		return event.Submitted{}, event.ErrUnauthorized
	case json.Unmarshal(s.Body, &in) != nil:
		return event.Submitted{}, errors.Join(event.ErrMalformed)
	case event.CheckEventType(in.Event) != "":
		return event.Submitted{}, event.Invalid("event", event.CheckEventType(in.Event))
	case !event.Wants(sub.EventTypes, in.Event):
		return event.Submitted{Filtered: true, Reason: "the subscription does not want " + in.Event}, nil
	}
	if old, used := m.replays[s.IdempotencyKey]; used && s.IdempotencyKey != "" {
		if !bytes.Equal(old.body, s.Body) {
			return event.Submitted{}, event.ErrKeyReused
		}
		old.receipt.Replayed = true
		return event.Submitted{Receipt: old.receipt}, nil
	}
	receipt := event.Receipt{Event: event.NewID(testTime), Deliveries: []event.ID{event.NewID(testTime)}}
	if m.replays == nil {
		m.replays = map[string]replay{}
	}
	m.replays[s.IdempotencyKey] = replay{s.Body, receipt}
	m.deliveries = append(m.deliveries, event.DeliveryReport{EventType: in.Event, Delivery: event.Delivery{
		ID: receipt.Deliveries[0], EventID: receipt.Event, SubscriptionID: s.SubscriptionID, CreatedAt: testTime, DueAt: testTime,
	}})
	return event.Submitted{Receipt: receipt}, nil
}

// attempt records an attempt of a delivery.
func (m *memory) attempt(delivery event.ID, o event.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.deliveries {
		r := &m.deliveries[i]
		if r.Delivery.ID != delivery {
			continue
		}
		s := event.Settle(r.Delivery, o, event.RetryPolicy{time.Minute}, o.StartedAt.Add(o.Duration), 0.5)
		r.Delivery = s.Delivery
		r.Attempts = append(r.Attempts, s.Attempt)
		m.attempts = append(m.attempts, event.AttemptReport{Attempt: s.Attempt, EventID: r.Delivery.EventID, EventType: r.EventType})
	}
}
