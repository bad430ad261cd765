package api

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The numbers of tenants in tests.
const (
	acmeNo  = 7
	otherNo = 8
)

// tenant returns the tenant with this id, or nil. The caller holds the lock.
func (m *memory) tenant(id string) *event.Tenant {
	if len(m.tenants) == 0 {
		m.tenants = []event.Tenant{{No: event.DefaultTenantNo, ID: event.DefaultTenant, CreatedAt: testTime, UpdatedAt: testTime}}
	}
	for i := range m.tenants {
		if t := &m.tenants[i]; t.ID == id && !t.Deleted() {
			return t
		}
	}
	return nil
}

// put creates a tenant. If it exists, put replaces it, if it may. The caller holds the lock.
func (m *memory) put(t event.Tenant, replace bool) (after event.Tenant, created bool) {
	if old := m.tenant(t.ID); old != nil {
		if replace {
			t.No, t.CreatedAt = old.No, old.CreatedAt
			*old = t
		}
		return *old, false
	}
	switch t.ID {
	case "acme":
		t.No = acmeNo
	case "other":
		t.No = otherNo
	default:
		t.No = int64(100 + len(m.tenants))
	}
	m.tenants = append(m.tenants, t)
	return t, true
}

func (m *memory) PutTenant(_ context.Context, t event.Tenant) (event.Tenant, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return event.Tenant{}, false, m.fail
	}
	after, created := m.put(t, true)
	return after, created, nil
}

func (m *memory) Tenant(_ context.Context, id string) (event.Tenant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(id)
	switch {
	case m.fail != nil:
		return event.Tenant{}, m.fail
	case t == nil:
		return event.Tenant{}, event.ErrNotFound
	}
	return *t, nil
}

func (m *memory) ListTenants(_ context.Context, q event.TenantQuery) ([]event.Tenant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tenant("")
	var list []event.Tenant
	for _, t := range m.tenants {
		if !t.Deleted() && t.ID > q.After && (q.Before == "" || t.ID < q.Before) {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b event.Tenant) int { return strings.Compare(a.ID, b.ID) })
	return cut(list, q.Limit, q.Before != ""), m.fail
}

// cut returns the first or the last items.
func cut[T any](list []T, limit int, last bool) []T {
	n := min(limit, len(list))
	if last {
		return list[len(list)-n:]
	}
	return list[:n]
}

func (m *memory) DeleteTenant(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tenant(id)
	switch {
	case m.fail != nil:
		return m.fail
	case t == nil:
		return event.ErrNotFound
	case t.IsBuiltIn():
		return event.ErrBuiltIn
	}
	t.DeletedAt = at
	return nil
}

// count counts the subscriptions of a tenant. The caller holds the lock.
func (m *memory) count(tenantNo int64) (n int) {
	for _, s := range m.subscriptions {
		if s.TenantNo == tenantNo && !s.Deleted() {
			n++
		}
	}
	return n
}

// checkUID fails if another subscription has the uid. The caller holds the lock.
func (m *memory) checkUID(s event.Subscription) error {
	for _, o := range m.subscriptions {
		if s.UID != "" && o.UID == s.UID && o.TenantNo == s.TenantNo && o.ID != s.ID && !o.Deleted() {
			return fmt.Errorf("%w: %s", event.ErrUIDTaken, s.UID)
		}
	}
	return nil
}

func (m *memory) SubscriptionByUID(_ context.Context, tenantNo int64, uid string) (event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subscriptions {
		if s.UID == uid && s.TenantNo == tenantNo && !s.Deleted() {
			return s, m.fail
		}
	}
	return event.Subscription{}, cmp.Or(m.fail, event.ErrNotFound)
}

func (m *memory) ListSubscriptions(_ context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked, m.pages = q.Limit, m.pages+1
	compare := func(a, b event.SubscriptionPosition) int {
		newest := bytes.Compare(b.ID[:], a.ID[:])
		if q.Order == event.OrderName {
			return cmp.Or(strings.Compare(a.Name, b.Name), newest)
		}
		return newest
	}
	at := func(s event.Subscription) event.SubscriptionPosition {
		return event.SubscriptionPosition{Name: s.Name, ID: s.ID}
	}
	var list []event.Subscription
	for _, s := range m.subscriptions {
		if s.Deleted() || q.TenantNo != nil && s.TenantNo != *q.TenantNo ||
			!q.After.IsZero() && compare(at(s), q.After) <= 0 || !q.Before.IsZero() && compare(at(s), q.Before) >= 0 {
			continue
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b event.Subscription) int { return compare(at(a), at(b)) })
	return slices.Clone(cut(list, q.Limit, !q.Before.IsZero())), m.fail
}

func (m *memory) PutEventType(_ context.Context, t event.EventType) (event.EventType, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return event.EventType{}, false, m.fail
	}
	for i, old := range m.types {
		if old.Name == t.Name {
			t.CreatedAt = old.CreatedAt
			m.types[i] = t
			return t, false, nil
		}
	}
	m.types = append(m.types, t)
	slices.SortFunc(m.types, func(a, b event.EventType) int { return strings.Compare(a.Name, b.Name) })
	return t, true, nil
}

func (m *memory) EventType(_ context.Context, name string) (event.EventType, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.types {
		if t.Name == name {
			return t, m.fail
		}
	}
	return event.EventType{}, cmp.Or(m.fail, event.ErrNotFound)
}

func (m *memory) ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error) {
	t, err := m.EventType(ctx, name)
	if err != nil || t.Archived() {
		return t, err
	}
	t.ArchivedAt = at
	t, _, err = m.PutEventType(ctx, t)
	return t, err
}

func (m *memory) ListEventTypes(_ context.Context, after string, limit int) ([]event.EventType, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []event.EventType
	for _, t := range m.types {
		if t.Name > after {
			list = append(list, t)
		}
	}
	return cut(list, limit, false), m.fail
}

// Publish matches by the type alone. The tests of packages ingest and match test the rest.
func (m *memory) Publish(_ context.Context, p event.Publication) (event.Published, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	matches, err := m.match(p)
	if err != nil {
		return event.Published{}, err
	}
	same := p
	same.IdempotencyKey = ""
	text := fmt.Sprintf("%+v", same)
	key := p.Tenant + " " + p.IdempotencyKey
	if old, used := m.keys[key]; used && p.IdempotencyKey != "" {
		if old.Tenant != text {
			return event.Published{}, event.ErrKeyReused
		}
		old.Tenant, old.Duplicate = p.Tenant, true
		return old, nil
	}
	done := event.Published{Event: event.NewID(testTime), Tenant: p.Tenant}
	for _, match := range matches {
		if match.Matched {
			done.Deliveries++
		}
	}
	if m.keys == nil {
		m.keys = map[string]event.Published{}
	}
	m.keys[key] = event.Published{Event: done.Event, Tenant: text, Deliveries: done.Deliveries}
	m.published = append(m.published, p)
	return done, nil
}

func (m *memory) PublishAll(ctx context.Context, list []event.Publication) []event.PublishResult {
	results := make([]event.PublishResult, len(list))
	for i, p := range list {
		results[i].Published, results[i].Err = m.Publish(ctx, p)
	}
	return results
}

func (m *memory) Match(_ context.Context, p event.Publication, after event.ID, limit int) (list []event.Match, more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, err := m.match(p)
	if err != nil {
		return nil, false, err
	}
	for _, one := range all {
		if bytes.Compare(one.Subscription[:], after[:]) > 0 {
			list = append(list, one)
		}
	}
	return list[:min(limit, len(list))], len(list) > limit, nil
}

// match matches a publication with the subscriptions of its tenant, in the order of their ids. The
// caller holds the lock.
func (m *memory) match(p event.Publication) (list []event.Match, err error) {
	t := m.tenant(p.Tenant)
	switch {
	case m.fail != nil:
		return nil, m.fail
	case t == nil:
		return nil, fmt.Errorf("%w: as the publisher says it", event.ErrTenantNotFound)
	}
	for _, s := range m.subscriptions {
		if s.TenantNo != t.No || s.Deleted() || !p.Subscription.IsZero() && s.ID != p.Subscription {
			continue
		}
		one := event.Match{Subscription: s.ID, Matched: event.Wants(s.EventTypes, p.Type)}
		if !one.Matched {
			one.Rule, one.Reason = "event_types", "the subscription wants other types"
		}
		list = append(list, one)
	}
	if len(list) == 0 && !p.Subscription.IsZero() {
		return nil, event.Invalid("subscription_id", "is not the id of a subscription of the tenant")
	}
	slices.SortFunc(list, func(a, b event.Match) int { return bytes.Compare(a.Subscription[:], b.Subscription[:]) })
	return list, nil
}

func (m *memory) CreateKey(_ context.Context, k event.APIKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k.Tenant != "" {
		t := m.tenant(k.Tenant)
		if t == nil {
			return cmp.Or(m.fail, event.ErrNotFound)
		}
		k.TenantNo = t.No
	}
	m.apiKeys = append(m.apiKeys, k)
	return m.fail
}

func (m *memory) ListKeys(context.Context) ([]event.APIKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.apiKeys), m.fail
}

func (m *memory) RevokeKey(_ context.Context, id event.ID, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.apiKeys {
		if k := &m.apiKeys[i]; k.ID == id && k.RevokedAt.IsZero() {
			k.RevokedAt = at
			return m.fail
		}
	}
	return cmp.Or(m.fail, event.ErrNotFound)
}
