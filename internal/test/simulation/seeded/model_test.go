package seeded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/test/page"
)

// model implements the contract of package store in the simplest way: lists in memory and one lock,
// and every method scans everything. If the contract leaves a choice, it uses the order of arrival,
// never an id, so that it always behaves the same.
type model struct {
	mu           sync.Mutex
	closed       bool
	tenants      []*event.Tenant // by their numbers, deleted ones included
	types        []*event.EventType
	typesVersion int64
	subs         []*subscription
	events       []*stored
	rows         []*row
	keys         []*key
	api          []*event.APIKey
}

var _ store.Store = (*model)(nil)

type subscription struct {
	event.Subscription
	inactiveSince time.Time
	version       int64 // of its tenant, when it last changed
}

// stored is an event, and how it was accepted.
type stored struct {
	event.Event
	deliveries int // how many were accepted with it
	published  bool
}

// row is a delivery with its event and its attempts.
type row struct {
	d        event.Delivery
	e        *stored
	attempts []event.Attempt
}

// key is an idempotency key.
type key struct {
	keyName
	hash    [32]byte
	receipt event.Receipt
	at      time.Time
}

// keyName is what must be unique of a key: its text in a tenant, or in a subscription.
type keyName struct {
	text         string
	published    bool
	tenantNo     int64    // of a published event
	subscription event.ID // of any other event
}

var errClosed = fmt.Errorf("%w: it was closed", event.ErrUnavailable)

// do runs a transaction, which must change nothing before it is sure to succeed.
func (m *model) do(transaction func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	return transaction()
}

func (m *model) Close() error {
	return m.do(func() error { m.closed = true; return nil })
}

func (m *model) Ping(context.Context) error { return m.do(func() error { return nil }) }

// kept returns a time as stores keep it.
func kept(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (m *model) sub(id event.ID) *subscription {
	for _, s := range m.subs {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (m *model) row(id event.ID) *row {
	for _, r := range m.rows {
		if r.d.ID == id {
			return r
		}
	}
	return nil
}

func (m *model) CreateSubscription(_ context.Context, s event.Subscription) error {
	return m.do(func() error {
		if m.sub(s.ID) != nil {
			return errors.New("a subscription with that id exists")
		}
		s.CreatedAt, s.UpdatedAt, s.DeletedAt = kept(s.CreatedAt), kept(s.UpdatedAt), kept(s.DeletedAt)
		if s.Tenant == "" {
			s.Tenant = event.DefaultTenant
		}
		t := m.tenant(s.Tenant)
		if t != nil {
			if err := errors.Join(m.checkUID(t.No, s), m.checkRoom(t)); err != nil {
				return err
			}
		} else {
			t = m.newTenant(event.Tenant{ID: s.Tenant, CreatedAt: s.CreatedAt, UpdatedAt: s.CreatedAt})
		}
		s.TenantNo, s.Revision, s.Health = t.No, 1, event.Health{}
		made := &subscription{Subscription: copyOf(s), inactiveSince: s.CreatedAt}
		m.subs = append(m.subs, made)
		m.changed(made)
		return nil
	})
}

// copyOf returns a copy that shares nothing with s.
func copyOf(s event.Subscription) event.Subscription {
	s.EventTypes, s.Secrets, s.Headers = slices.Clone(s.EventTypes), slices.Clone(s.Secrets), maps.Clone(s.Headers)
	s.RetrySchedule = slices.Clone(s.RetrySchedule)
	s.Channels, s.Filter, s.Metadata = slices.Clone(s.Channels), slices.Clone(s.Filter), maps.Clone(s.Metadata)
	return s
}

func (m *model) Subscription(_ context.Context, id event.ID) (s event.Subscription, err error) {
	err = m.do(func() error {
		found := m.sub(id)
		if found == nil {
			return fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
		}
		s = copyOf(found.Subscription)
		return nil
	})
	return s, err
}

func (m *model) ListSubscriptions(_ context.Context, q event.SubscriptionQuery) (list []event.Subscription, err error) {
	err = m.do(func() error {
		for _, s := range m.subs {
			if !s.Deleted() && (q.TenantNo == nil || *q.TenantNo == s.TenantNo) {
				list = append(list, copyOf(s.Subscription))
			}
		}
		position := func(s event.Subscription, p event.SubscriptionPosition) int { return ordered(s, p, q.Order) }
		slices.SortFunc(list, func(a, b event.Subscription) int {
			return position(a, event.SubscriptionPosition{Name: b.Name, ID: b.ID})
		})
		list = page.Of(list, position, q.After, q.Before, q.Limit)
		return nil
	})
	return list, err
}

// ordered compares a subscription with a position in an order.
func ordered(s event.Subscription, p event.SubscriptionPosition, order event.SubscriptionOrder) int {
	if order == event.OrderName && s.Name != p.Name {
		return strings.Compare(s.Name, p.Name)
	}
	return compare(p.ID, s.ID)
}

func compare(a, b event.ID) int { return slices.Compare(a[:], b[:]) }

func (m *model) ReplaceSubscription(_ context.Context, s event.Subscription) (after event.Subscription, err error) {
	err = m.do(func() error {
		old, err := m.existing(s.ID, s.Revision)
		if err != nil {
			return err
		}
		if err := m.checkUID(old.TenantNo, s); err != nil {
			return err
		}
		if s.Secrets == nil {
			s.Secrets = old.Secrets
		}
		s.Tenant, s.TenantNo = old.Tenant, old.TenantNo
		s.UpdatedAt, s.CreatedAt, s.DeletedAt = kept(s.UpdatedAt), old.CreatedAt, old.DeletedAt
		s.Revision, s.Health = old.Revision+1, old.Health
		s.PausedAt, s.PausedBy, s.PausedReason = old.PausedAt, old.PausedBy, old.PausedReason
		if old.Active {
			old.inactiveSince = s.UpdatedAt
		}
		old.Subscription = copyOf(s)
		m.changed(old)
		m.unpark(old, s.UpdatedAt, 1000)
		after = copyOf(s)
		return nil
	})
	return after, err
}

// existing returns a subscription that is not deleted and has the revision, or any revision if that
// is 0.
func (m *model) existing(id event.ID, revision int64) (*subscription, error) {
	s := m.sub(id)
	switch {
	case s == nil || s.Deleted():
		return nil, fmt.Errorf("%w: subscription %s", event.ErrNotFound, id)
	case revision != 0 && revision != s.Revision:
		return nil, fmt.Errorf("%w: its revision is %d, not %d", event.ErrChanged, s.Revision, revision)
	}
	return s, nil
}

func (m *model) PauseSubscription(_ context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	return m.pause(id, p.At, func(s *subscription) {
		if !s.Paused() {
			s.PausedAt = kept(p.At)
		}
		s.PausedBy, s.PausedReason = p.By, p.Reason
	})
}

func (m *model) ResumeSubscription(_ context.Context, id event.ID, at time.Time) (event.Subscription, error) {
	return m.pause(id, at, func(s *subscription) { s.PausedAt, s.PausedBy, s.PausedReason = time.Time{}, "", "" })
}

func (m *model) pause(id event.ID, at time.Time, change func(*subscription)) (after event.Subscription, err error) {
	err = m.do(func() error {
		s, err := m.existing(id, 0)
		if err != nil {
			return err
		}
		before := pauseOf(s)
		if change(s); pauseOf(s) != before {
			m.changed(s)
		}
		m.unpark(s, at, 1000)
		after = copyOf(s.Subscription)
		return nil
	})
	return after, err
}

func pauseOf(s *subscription) event.Pause {
	return event.Pause{At: s.PausedAt, By: s.PausedBy, Reason: s.PausedReason}
}

func (m *model) SwapSecrets(_ context.Context, from, to event.Subscription) (swapped bool, err error) {
	err = m.do(func() error {
		now := m.sub(from.ID)
		swapped = now != nil && !now.Deleted() && slices.Equal(now.Secrets, from.Secrets) && maps.Equal(now.Headers, from.Headers)
		if swapped {
			now.Secrets, now.Headers = slices.Clone(to.Secrets), maps.Clone(to.Headers)
		}
		return nil
	})
	return swapped, err
}

func (m *model) DeleteSubscription(_ context.Context, id event.ID, at time.Time, revision int64) error {
	return m.do(func() error {
		s, err := m.existing(id, revision)
		if err != nil {
			return err
		}
		m.remove(s, at)
		return nil
	})
}

func (m *model) remove(s *subscription, at time.Time) {
	s.Revision++
	s.DeletedAt, s.UpdatedAt, s.Active = kept(at), kept(at), false
	s.Secrets, s.Headers, s.RequireSignature = nil, nil, false
	m.changed(s)
	for _, r := range m.rows {
		if r.d.SubscriptionID == s.ID && r.d.Status == event.Pending {
			r.cancel(at)
		}
	}
}

func (r *row) cancel(at time.Time) {
	r.d.Status, r.d.SettledAt = event.Cancelled, kept(at)
	r.free()
}

func (r *row) free() { r.d.LeaseOwner, r.d.LeasedUntil = "", time.Time{} }
