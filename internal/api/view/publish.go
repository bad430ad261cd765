package view

import (
	"context"
	"errors"

	"github.com/hookferry/hookferry/internal/event"
)

// Ingest accepts an event for one subscription. It costs an unbound View nothing: the publisher
// finds the subscription.
func (v View) Ingest(ctx context.Context, s event.Submission) (event.Submitted, error) {
	if v.bound {
		if err := v.check(ctx, s.SubscriptionID); err != nil {
			return event.Submitted{}, err
		}
	}
	return v.views.backend.Ingest.Ingest(ctx, s)
}

// Publish publishes an event to a tenant, which is DefaultTenant if the event names none. The error
// wraps event.ErrTenantNotFound if the View does not contain the tenant.
func (v View) Publish(ctx context.Context, p event.Publication) (event.Published, error) {
	p, err := v.place(p)
	if err != nil {
		return event.Published{}, err
	}
	done, err := v.views.backend.Publish.Publish(ctx, p)
	return done, explain(p, err)
}

// PublishAll publishes several events, and returns one result for each, in their order. Events for a
// tenant outside of the View fail, and the others are published.
func (v View) PublishAll(ctx context.Context, list []event.Publication) []event.PublishResult {
	results := make([]event.PublishResult, len(list))
	var placed []event.Publication
	var at []int // their positions in the list
	for i := range list {
		p, err := v.place(list[i])
		if err != nil {
			results[i].Err = err
			continue
		}
		placed, at = append(placed, p), append(at, i)
	}
	if len(placed) == 0 {
		return results
	}
	for i, r := range v.views.backend.Publish.PublishAll(ctx, placed) {
		r.Err = explain(placed[i], r.Err)
		results[at[i]] = r
	}
	return results
}

// Match says which subscriptions of its tenant an event would be delivered to. It stores nothing.
func (v View) Match(ctx context.Context, p event.Publication, after event.ID, limit int) (list []event.Match, more bool, err error) {
	if p, err = v.place(p); err != nil {
		return nil, false, err
	}
	list, more, err = v.views.backend.Publish.Match(ctx, p, after, limit)
	return list, more, explain(p, err)
}

// place returns the publication with its tenant.
func (v View) place(p event.Publication) (event.Publication, error) {
	switch {
	case p.Tenant == "":
		p.Tenant = v.DefaultTenant()
	case v.bound && p.Tenant != v.tenant:
		return p, noTenant(p.Tenant)
	}
	return p, nil
}

// explain names a missing tenant in the same way, whether the view or the publisher missed it.
func explain(p event.Publication, err error) error {
	if errors.Is(err, event.ErrTenantNotFound) {
		return noTenant(p.Tenant)
	}
	return err
}
