package seeded

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/page"
)

func newModel() *model {
	m := &model{typesVersion: 1}
	for no, id := range []string{event.DefaultTenant, event.ServiceTenant} {
		m.tenants = append(m.tenants, &event.Tenant{No: int64(no), ID: id, Version: 1})
	}
	return m
}

// tenant returns the tenant with this id that is not deleted, or nil.
func (m *model) tenant(id string) *event.Tenant {
	for _, t := range m.tenants {
		if t.ID == id && !t.Deleted() {
			return t
		}
	}
	return nil
}

// tenantNo returns the tenant with this number, or nil. A number is the place in the list, which
// tenants never leave.
func (m *model) tenantNo(no int64) *event.Tenant {
	if no < 0 || no >= int64(len(m.tenants)) {
		return nil
	}
	return m.tenants[no]
}

func (m *model) newTenant(t event.Tenant) *event.Tenant {
	t.No, t.Version, t.DeletedAt = int64(len(m.tenants)), 1, time.Time{}
	m.tenants = append(m.tenants, &t)
	return &t
}

// changed increases the version of a subscription's tenant.
func (m *model) changed(s *subscription) {
	t := m.tenantNo(s.TenantNo)
	t.Version++
	s.version = t.Version
}

func copyOfTenant(t event.Tenant) event.Tenant {
	t.Metadata = maps.Clone(t.Metadata)
	return t
}

func noTenant(id string) error { return fmt.Errorf("%w: tenant %q", event.ErrNotFound, id) }

func (m *model) PutTenant(_ context.Context, t event.Tenant) (after event.Tenant, created bool, err error) {
	err = m.do(func() error {
		t = copyOfTenant(t)
		t.CreatedAt, t.UpdatedAt = kept(t.CreatedAt), kept(t.UpdatedAt)
		old := m.tenant(t.ID)
		if created = old == nil; created {
			old = m.newTenant(t)
		}
		old.Name, old.Metadata, old.Limits, old.UpdatedAt = t.Name, t.Metadata, t.Limits, t.UpdatedAt
		after = copyOfTenant(*old)
		return nil
	})
	return after, created, err
}

func (m *model) Tenant(_ context.Context, id string) (t event.Tenant, err error) {
	err = m.do(func() error {
		found := m.tenant(id)
		if found == nil {
			return noTenant(id)
		}
		t = copyOfTenant(*found)
		return nil
	})
	return t, err
}

func (m *model) ListTenants(_ context.Context, q event.TenantQuery) (list []event.Tenant, err error) {
	err = m.do(func() error {
		for _, t := range m.tenants {
			if !t.Deleted() {
				list = append(list, copyOfTenant(*t))
			}
		}
		slices.SortFunc(list, func(a, b event.Tenant) int { return strings.Compare(a.ID, b.ID) })
		list = page.Of(list, func(t event.Tenant, id string) int { return strings.Compare(t.ID, id) }, q.After, q.Before, q.Limit)
		return nil
	})
	return list, err
}

func (m *model) DeleteTenant(_ context.Context, id string, at time.Time) error {
	return m.do(func() error {
		t := m.tenant(id)
		switch {
		case t == nil:
			return noTenant(id)
		case t.IsBuiltIn():
			return fmt.Errorf("%w: tenant %q", event.ErrBuiltIn, id)
		}
		t.DeletedAt = kept(at)
		t.Version++
		for _, k := range m.api {
			if k.IsBound() && k.TenantNo == t.No && k.RevokedAt.IsZero() {
				k.RevokedAt = kept(at)
			}
		}
		return nil
	})
}

func (m *model) ClearTenants(_ context.Context, now time.Time, limit int) (n int, err error) {
	err = m.do(func() error {
		for _, s := range m.subs {
			if n < limit && !s.Deleted() && m.tenantNo(s.TenantNo).Deleted() {
				m.remove(s, now)
				n++
			}
		}
		return nil
	})
	return n, err
}

func (m *model) TenantChanges(_ context.Context, no, after int64, limit int) (c event.TenantChanges, err error) {
	err = m.do(func() error {
		if m.tenantNo(no) == nil {
			return fmt.Errorf("%w: tenant number %d", event.ErrNotFound, no)
		}
		c = m.changes(no, after, limit)
		return nil
	})
	return c, err
}

// changes returns at most limit changes of a tenant's subscriptions after a version.
func (m *model) changes(no, after int64, limit int) event.TenantChanges {
	t := m.tenantNo(no)
	c := event.TenantChanges{Tenant: copyOfTenant(*t), To: t.Version}
	var list []*subscription
	for _, s := range m.subs {
		if s.TenantNo == no && s.version > after && (after > 0 || !s.Deleted()) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *subscription) int { return int(a.version - b.version) })
	if len(list) > limit {
		list = list[:limit]
		c.To = list[limit-1].version
	}
	for _, s := range list {
		c.Subscriptions = append(c.Subscriptions, copyOf(s.Subscription))
	}
	return c
}

// uid returns the subscription of a tenant with a uid, or nil.
func (m *model) uid(no int64, uid string) *subscription {
	for _, s := range m.subs {
		if uid != "" && s.UID == uid && s.TenantNo == no && !s.Deleted() {
			return s
		}
	}
	return nil
}

// checkUID checks that no other subscription of the tenant has the uid.
func (m *model) checkUID(no int64, s event.Subscription) error {
	if other := m.uid(no, s.UID); other != nil && other.ID != s.ID {
		return fmt.Errorf("%w: subscription %s has the uid %q", event.ErrUIDTaken, other.ID, s.UID)
	}
	return nil
}

// checkRoom checks that a tenant may have another subscription.
func (m *model) checkRoom(t *event.Tenant) error {
	most, n := event.MaxSubscriptionsOfTenant, 0
	if own := t.Limits.Subscriptions; own > 0 {
		most = min(most, own)
	}
	for _, s := range m.subs {
		if s.TenantNo == t.No && !s.Deleted() {
			n++
		}
	}
	if n >= most {
		return fmt.Errorf("%w: %q has %d subscriptions, and at most %d are allowed", event.ErrTenantLimit, t.ID, n, most)
	}
	return nil
}

func (m *model) SubscriptionByUID(_ context.Context, tenantNo int64, uid string) (s event.Subscription, err error) {
	err = m.do(func() error {
		found := m.uid(tenantNo, uid)
		if found == nil {
			return fmt.Errorf("%w: subscription %q of tenant number %d", event.ErrNotFound, uid, tenantNo)
		}
		s = copyOf(found.Subscription)
		return nil
	})
	return s, err
}
