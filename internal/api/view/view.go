// Package view is what the caller of the API may see and use. A View belongs to one request. It is
// the only way from a handler to the stores and the publisher: they are unexported fields of this
// package.
//
// The View of a key that is bound to a tenant contains that tenant alone. Everything of another
// tenant is not found in it, with the same error as what does not exist, and lists contain nothing
// of it. For the View of any other key, a list without a tenant is of all tenants, and what is
// created or published without a tenant belongs to event.DefaultTenant.
//
// Start with View. Backend lists what is behind it.
package view

import (
	"context"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Ingester accepts events for one subscription.
type Ingester interface {
	// Ingest returns errors of package event. The caller sees the text of an error that wraps
	// event.ErrMalformed, and that of an InvalidError.
	Ingest(ctx context.Context, s event.Submission) (event.Submitted, error)
}

// Publisher publishes events to tenants.
type Publisher interface {
	// Publish stores an event and its deliveries. It returns errors of package event.
	Publish(ctx context.Context, p event.Publication) (event.Published, error)
	// PublishAll publishes several events, and returns one result for each, in their order.
	PublishAll(ctx context.Context, list []event.Publication) []event.PublishResult
	// Match says which subscriptions an event would be delivered to, in the order of their ids,
	// after the given one. more says whether further subscriptions follow. It stores nothing.
	Match(ctx context.Context, p event.Publication, after event.ID, limit int) (list []event.Match, more bool, err error)
}

// Tenants stores the tenants. Package store documents each method.
type Tenants interface {
	PutTenant(ctx context.Context, t event.Tenant) (after event.Tenant, created bool, err error)
	Tenant(ctx context.Context, id string) (event.Tenant, error)
	ListTenants(ctx context.Context, q event.TenantQuery) ([]event.Tenant, error)
	DeleteTenant(ctx context.Context, id string, at time.Time) error
}

// EventTypes stores the registry of event types. Package store documents each method.
type EventTypes interface {
	PutEventType(ctx context.Context, t event.EventType) (after event.EventType, created bool, err error)
	ArchiveEventType(ctx context.Context, name string, at time.Time) (event.EventType, error)
	EventType(ctx context.Context, name string) (event.EventType, error)
	ListEventTypes(ctx context.Context, after string, limit int) ([]event.EventType, error)
}

// Subscriptions stores the subscriptions. Package store documents each method.
type Subscriptions interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
	SubscriptionByUID(ctx context.Context, tenantNo int64, uid string) (event.Subscription, error)
	ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error)
	ReplaceSubscription(ctx context.Context, s event.Subscription) (event.Subscription, error)
	PauseSubscription(ctx context.Context, id event.ID, p event.Pause) (event.Subscription, error)
	ResumeSubscription(ctx context.Context, id event.ID, at time.Time) (event.Subscription, error)
	DeleteSubscription(ctx context.Context, id event.ID, at time.Time, revision int64) error
}

// History reads events, deliveries and attempts. Package store documents each method.
type History interface {
	Delivery(ctx context.Context, id event.ID) (event.DeliveryReport, error)
	EventDeliveries(ctx context.Context, event event.ID, limit int) ([]event.ID, error)
	ListAttempts(ctx context.Context, subscription, before event.ID, limit int) ([]event.AttemptReport, error)
}

// Keys stores API keys. Package store documents each method.
type Keys interface {
	CreateKey(ctx context.Context, k event.APIKey) error
	ListKeys(ctx context.Context) ([]event.APIKey, error)
	RevokeKey(ctx context.Context, id event.ID, at time.Time) error
}

// Backend is what a View leads to.
type Backend struct {
	Ingest        Ingester
	Publish       Publisher
	Tenants       Tenants
	EventTypes    EventTypes
	Subscriptions Subscriptions
	History       History
	KeyStore      Keys
}

// Views makes Views.
type Views struct {
	backend Backend
	owners  owners
}

// New returns Views that lead to a backend.
func New(b Backend) *Views { return &Views{backend: b} }

// For returns the View of an API key. The zero key is that of a service that needs no keys.
func (v *Views) For(key event.APIKey) View {
	return View{views: v, bound: key.IsBound(), tenant: key.Tenant, no: key.TenantNo}
}

// View is what one caller may see and use. It is safe for concurrent use.
type View struct {
	views  *Views
	bound  bool   // to the tenant; otherwise it contains all tenants
	tenant string // the tenant's id
	no     int64  // the tenant's number
}

// noTenant says that the View contains no tenant with this id.
func noTenant(id string) error {
	return fmt.Errorf("%w: %q", event.ErrTenantNotFound, event.Clip(id, event.MaxQuoted))
}

func notFound(what string, id event.ID) error {
	return fmt.Errorf("%w: %s %s", event.ErrNotFound, what, id)
}
