package view

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// CreateSubscription stores a subscription. If it names no tenant, it belongs to DefaultTenant. It
// returns the subscription with its tenant. The error wraps event.ErrTenantNotFound if the View is
// bound to another tenant.
func (v View) CreateSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error) {
	if s.Tenant == "" {
		s.Tenant = v.DefaultTenant()
	}
	if v.bound && s.Tenant != v.tenant {
		return s, noTenant(s.Tenant)
	}
	if v.bound { // a key that outlives its tenant for a moment must not create the tenant again
		if _, err := v.Tenant(ctx, v.tenant); err != nil {
			return s, err
		}
	}
	return s, v.views.backend.Subscriptions.CreateSubscription(ctx, s)
}

// Subscription returns a subscription. A deleted one is returned with its DeletedAt.
func (v View) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	s, err := v.views.backend.Subscriptions.Subscription(ctx, id)
	if err == nil && v.bound && s.TenantNo != v.no {
		err = notFound("subscription", id)
	}
	if err != nil {
		return event.Subscription{}, err
	}
	return s, nil
}

// SubscriptionByUID returns the subscription of a tenant with this uid. A tenant of "" means
// DefaultTenant.
func (v View) SubscriptionByUID(ctx context.Context, tenant, uid string) (event.Subscription, error) {
	if tenant == "" {
		tenant = v.DefaultTenant()
	}
	no, err := v.number(ctx, tenant)
	if err != nil {
		return event.Subscription{}, err
	}
	return v.views.backend.Subscriptions.SubscriptionByUID(ctx, *no, uid)
}

// ListSubscriptions returns a page of the subscriptions of a tenant, or of the whole View if the
// tenant is "". It sets q.TenantNo.
func (v View) ListSubscriptions(ctx context.Context, tenant string, q event.SubscriptionQuery) ([]event.Subscription, error) {
	no, err := v.number(ctx, tenant)
	if err != nil {
		return nil, err
	}
	q.TenantNo = no
	return v.views.backend.Subscriptions.ListSubscriptions(ctx, q)
}

// ReplaceSubscription writes a subscription, as package store says.
func (v View) ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error) {
	if err := v.check(ctx, s.ID); err != nil {
		return event.Subscription{}, err
	}
	return v.views.backend.Subscriptions.ReplaceSubscription(ctx, s)
}

// PauseSubscription pauses a subscription, as package store says.
func (v View) PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error) {
	if err := v.check(ctx, id); err != nil {
		return event.Subscription{}, err
	}
	return v.views.backend.Subscriptions.PauseSubscription(ctx, id, p)
}

// ResumeSubscription ends a pause, as package store says.
func (v View) ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error) {
	if err := v.check(ctx, id); err != nil {
		return event.Subscription{}, err
	}
	return v.views.backend.Subscriptions.ResumeSubscription(ctx, id, at)
}

// DeleteSubscription deletes a subscription, as package store says.
func (v View) DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error {
	if err := v.check(ctx, id); err != nil {
		return err
	}
	return v.views.backend.Subscriptions.DeleteSubscription(ctx, id, at, revision)
}
