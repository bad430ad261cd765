package ingest

import (
	"context"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// TypeWriter is the registry of event types in the store; package store says what each method
// promises.
type TypeWriter interface {
	PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error)
	ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error)
	EventType(ctx context.Context, name string) (event.EventType, error)
	ListEventTypes(ctx context.Context, after string, limit int) ([]event.EventType, error)
}

// Registrar is a TypeWriter whose changes count at once for all events that this node accepts
// later. If Types can't be updated, the change was made all the same, and counts within a second.
type Registrar struct {
	TypeWriter
	Types *Types
}

// PutEventType is as in TypeWriter.
func (r Registrar) PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error) {
	after, created, err = r.TypeWriter.PutEventType(ctx, t)
	r.Types.look(ctx)
	return after, created, err
}

// ArchiveEventType is as in TypeWriter.
func (r Registrar) ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error) {
	after, err := r.TypeWriter.ArchiveEventType(ctx, name, at)
	r.Types.look(ctx)
	return after, err
}
