package sqlite

import (
	"context"
	"fmt"

	"github.com/hookferry/hookferry/internal/event"
)

// LimitPages makes SQLite limit the file to that many pages, or to its present size.
func (s *Store) LimitPages(ctx context.Context, most int) error {
	return s.write(ctx, 0, func(w *writer) error {
		var now int
		return w.conn.Row(fmt.Sprintf("PRAGMA max_page_count = %d", most)).Scan(&now)
	})
}

// DeleteEmptyEvent is the statement that deletes an event after its last delivery.
const DeleteEmptyEvent = deleteEmptyEvent

// DeleteEmptyTenants is the statement that deletes tenants of which nothing is left.
const DeleteEmptyTenants = deleteEmptyTenants

// Statements for lists of tenants and event types.
const (
	TenantsAfter    = tenantsAfter
	TenantsBefore   = tenantsBefore
	Orphans         = orphans
	EventTypesAfter = eventTypesAfter
	TypesSince      = typesSince
)

// ListStatements returns the statements that ListSubscriptions uses for a page.
func ListStatements(q event.SubscriptionQuery) (list []string) {
	for _, r := range rangesOf(&q) {
		list = append(list, r.sql())
	}
	return list
}

// ByUID is the statement that finds a subscription by its uid.
var ByUID = selectSubscriptions + byUID

// ChangesAfter returns the statement for the changes of a tenant.
func ChangesAfter(version int64) string { return changesSQL(version) }

// EventDeliveries is the statement that finds an event's deliveries.
const EventDeliveries = eventDeliveriesSQL
