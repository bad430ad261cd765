package sqlite

import (
	"context"
	"fmt"
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

// EventDeliveries is the statement that finds an event's deliveries.
const EventDeliveries = eventDeliveriesSQL
