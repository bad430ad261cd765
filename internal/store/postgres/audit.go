package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// Audit looks for rows that break a rule, in one snapshot of the primary.
func (s *Store) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, slow)
	defer cancel()
	now = s.clock.toDatabase(now)
	var findings []event.Finding
	before := fmt.Sprintf("'%s'", store.AuditedBefore(now).UTC().Format("2006-01-02 15:04:05.999999Z07:00"))
	err := s.scan(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT set_config('enable_sort', 'on', true), set_config('enable_bitmapscan', 'on', true)`); err != nil {
			return err
		}
		for _, rule := range store.AuditStatements(store.Dialect{
			Living: "s.deleted_at IS NULL", Active: "s.is_active", Before: before,
			Deliveries: "deliveries", EventOf: "e.id = d.event_id",
			Events: "SELECT id, delivery_count, id AS key FROM events", Of: "event_id",
			Kept: fmt.Sprintf("'%s'", event.FloorID(kept)),
		}) {
			rows, err := tx.Query(ctx, rule.SQL, pgx.QueryExecModeExec)
			if err != nil {
				return err
			}
			ids, err := collectIDs(rows)
			if err != nil {
				return err
			}
			if len(ids) > 0 {
				findings = append(findings, event.Finding{Rule: rule.Rule, Found: len(ids), Oldest: ids[0]})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fail("audit the database", err)
	}
	missing, err := s.partitionsMissing(ctx, now)
	if missing > 0 {
		findings = append(findings, event.Finding{Rule: event.RulePartitionsAreAhead, Found: missing})
	}
	return findings, fail("look for missing partitions", err)
}

// partitionsMissing counts the windows without a partition among the present window and the two
// after it. Partitions of later windows may be created later.
func (s *Store) partitionsMissing(ctx context.Context, now time.Time) (missing int, err error) {
	there, err := s.partitions(ctx)
	for i := range 3 {
		if !slices.Contains(there, now.UTC().Truncate(window).Add(time.Duration(i)*window)) {
			missing++
		}
	}
	if err != nil {
		return 0, err
	}
	return missing, nil
}
