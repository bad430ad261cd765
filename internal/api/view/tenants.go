package view

import (
	"context"
	"errors"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// IsBound reports whether the View contains one tenant only.
func (v View) IsBound() bool { return v.bound }

// DefaultTenant returns the id of the tenant that a request means if it names none.
func (v View) DefaultTenant() string {
	if v.bound {
		return v.tenant
	}
	return event.DefaultTenant
}

// Tenant returns a tenant. The error wraps event.ErrTenantNotFound if the View does not contain it.
func (v View) Tenant(ctx context.Context, id string) (event.Tenant, error) {
	if v.bound && id != v.tenant || event.CheckName(id) != "" {
		return event.Tenant{}, noTenant(id)
	}
	t, err := v.views.backend.Tenants.Tenant(ctx, id)
	if errors.Is(err, event.ErrNotFound) || err == nil && (t.Deleted() || v.bound && t.No != v.no) {
		err = noTenant(id)
	}
	if err != nil {
		return event.Tenant{}, err
	}
	return t, nil
}

// ListTenants returns a page of the tenants in the View.
func (v View) ListTenants(ctx context.Context, q event.TenantQuery) ([]event.Tenant, error) {
	if !v.bound {
		return v.views.backend.Tenants.ListTenants(ctx, q)
	}
	if q.Limit < 1 || v.tenant <= q.After || q.Before != "" && v.tenant >= q.Before {
		return nil, nil
	}
	t, err := v.Tenant(ctx, v.tenant)
	if errors.Is(err, event.ErrNotFound) {
		return nil, nil
	}
	return []event.Tenant{t}, err
}

// PutTenant creates or replaces a tenant. A bound View can't.
func (v View) PutTenant(ctx context.Context, t event.Tenant) (after event.Tenant, created bool, err error) {
	if v.bound {
		return event.Tenant{}, false, noTenant(t.ID)
	}
	return v.views.backend.Tenants.PutTenant(ctx, t)
}

// DeleteTenant deletes a tenant. A bound View can't.
func (v View) DeleteTenant(ctx context.Context, id string, at time.Time) error {
	if v.bound || event.CheckName(id) != "" {
		return noTenant(id)
	}
	err := v.views.backend.Tenants.DeleteTenant(ctx, id, at)
	if errors.Is(err, event.ErrNotFound) {
		err = noTenant(id)
	}
	return err
}

// number returns the number of the tenant that a list is of: nil for all tenants. id is "" if the
// request names no tenant.
func (v View) number(ctx context.Context, id string) (*int64, error) {
	switch {
	case v.bound && (id == "" || id == v.tenant):
		return &v.no, nil
	case id == "":
		return nil, nil
	case id == event.DefaultTenant && !v.bound:
		no := int64(event.DefaultTenantNo)
		return &no, nil
	}
	t, err := v.Tenant(ctx, id)
	return &t.No, err
}
