package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// Audit looks for rows that break a rule, in one read transaction.
func (s *Store) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, unavailable("examine what is kept", err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	var findings []event.Finding
	before := fmt.Sprint(micros(store.AuditedBefore(now)))
	for _, rule := range store.AuditStatements(store.Dialect{
		Living: "s.deleted_at = 0", Active: "s.is_active = 1", Before: before,
		Deliveries: "all_deliveries", EventOf: "e.seq = d.event_seq",
		Events: "SELECT id, delivery_count, seq AS key FROM events", Of: "event_seq",
		Kept: fmt.Sprintf("x'%x'", event.FloorID(kept)),
	}) {
		f, err := breaches(ctx, tx, rule)
		if err != nil {
			return nil, unavailable("examine what is kept", err)
		}
		if f.Found > 0 {
			findings = append(findings, f)
		}
	}
	return findings, nil
}

func breaches(ctx context.Context, tx *sql.Tx, rule store.AuditStatement) (event.Finding, error) {
	f := event.Finding{Rule: rule.Rule}
	rows, err := tx.QueryContext(ctx, rule.SQL)
	if err != nil {
		return f, err
	}
	defer rows.Close()
	for ; rows.Next(); f.Found++ {
		var id event.ID
		if err := rows.Scan(idScan{&id}); err != nil {
			return f, err
		}
		if f.Found == 0 {
			f.Oldest = id
		}
	}
	return f, rows.Err()
}
