package view

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// CreateKey stores an API key. A key that a bound View creates is bound to the same tenant. It returns
// the key with its tenant.
func (v View) CreateKey(ctx context.Context, k event.APIKey) (event.APIKey, error) {
	if v.bound && k.Tenant == "" {
		k.Tenant = v.tenant
	}
	if v.bound && k.Tenant != v.tenant {
		return k, noTenant(k.Tenant)
	}
	err := v.views.backend.KeyStore.CreateKey(ctx, k)
	if errors.Is(err, event.ErrNotFound) {
		err = noTenant(k.Tenant)
	}
	return k, err
}

// ListKeys returns the API keys that are bound to the tenant of the View, or all keys. Revoked and
// expired ones are included.
func (v View) ListKeys(ctx context.Context) ([]event.APIKey, error) {
	list, err := v.views.backend.KeyStore.ListKeys(ctx)
	if v.bound {
		list = slices.DeleteFunc(slices.Clone(list), func(k event.APIKey) bool { return !v.hasKey(k) })
	}
	return list, err
}

func (v View) hasKey(k event.APIKey) bool { return !v.bound || k.IsBound() && k.TenantNo == v.no }

// RevokeKey revokes an API key. The error wraps event.ErrNotFound if the View does not contain it, or
// if it is revoked already.
func (v View) RevokeKey(ctx context.Context, id event.ID, at time.Time) error {
	if v.bound {
		list, err := v.ListKeys(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(k event.APIKey) bool { return k.ID == id }) {
			return notFound("key", id)
		}
	}
	return v.views.backend.KeyStore.RevokeKey(ctx, id, at)
}
