package view

import (
	"context"
	"errors"

	"github.com/hookferry/hookferry/internal/event"
)

// Delivery returns a delivery with its attempts. Its tenant is that of its subscription.
func (v View) Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error) {
	r, err := v.views.backend.History.Delivery(ctx, id)
	if err != nil {
		return event.DeliveryReport{}, err
	}
	contained, err := v.contains(ctx, r.Delivery.SubscriptionID)
	if errors.Is(err, event.ErrNotFound) || err == nil && !contained {
		err = notFound("delivery", id)
	}
	if err != nil {
		return event.DeliveryReport{}, err
	}
	return r, nil
}

// EventDeliveries returns the ids of an event's deliveries. All of them are of one tenant.
func (v View) EventDeliveries(ctx context.Context, id event.ID, limit int) ([]event.ID, error) {
	ids, err := v.views.backend.History.EventDeliveries(ctx, id, limit)
	if err != nil || !v.bound || len(ids) == 0 {
		return ids, err
	}
	if _, err := v.Delivery(ctx, ids[0]); err != nil {
		return nil, err
	}
	return ids, nil
}

// ListAttempts returns a page of a subscription's attempts, newest first.
func (v View) ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error) {
	if err := v.check(ctx, subscription); err != nil {
		return nil, err
	}
	return v.views.backend.History.ListAttempts(ctx, subscription, before, limit)
}
