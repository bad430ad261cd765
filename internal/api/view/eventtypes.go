package view

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The registry of event types belongs to the whole installation. Every View contains it, and a bound
// View can't change it.

// PutEventType creates or replaces an event type, as package store says.
func (v View) PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error) {
	if v.bound {
		return event.EventType{}, false, event.ErrNotFound
	}
	return v.views.backend.EventTypes.PutEventType(ctx, t)
}

// ArchiveEventType archives an event type, as package store says.
func (v View) ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error) {
	if v.bound || event.CheckEventType(name) != "" {
		return event.EventType{}, event.ErrNotFound
	}
	return v.views.backend.EventTypes.ArchiveEventType(ctx, name, at)
}

// EventType returns an event type, even an archived one.
func (v View) EventType(ctx context.Context, name string) (event.EventType, error) {
	if event.CheckEventType(name) != "" {
		return event.EventType{}, event.ErrNotFound
	}
	return v.views.backend.EventTypes.EventType(ctx, name)
}

// ListEventTypes returns a page of the event types with names after this one.
func (v View) ListEventTypes(ctx context.Context, after string, limit int) ([]event.EventType, error) {
	return v.views.backend.EventTypes.ListEventTypes(ctx, after, limit)
}
