package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Audit looks for rows that break a rule, in one read transaction.
func (s *Store) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, unavailable("audit the database", err)
	}
	defer func() { _ = tx.Rollback() }() // the transaction only reads
	var findings []event.Finding
	sound, err := soundness(ctx, tx)
	if err != nil {
		return nil, unavailable("audit the database", err)
	}
	if sound.Found > 0 {
		findings = append(findings, sound)
	}
	for _, compare := range []func(context.Context, *sql.Tx) (event.Finding, error){intactEvents, intactSubscriptions} {
		f, err := compare(ctx, tx)
		if err != nil && (sound.Found == 0 || !rawsqlite.IsDamaged(err)) {
			return nil, unavailable("audit the database", err)
		}
		if f.Found > 0 {
			findings = append(findings, f)
		}
	}
	for _, rule := range rules(now, kept) {
		f, err := breaches(ctx, tx, rule)
		if err != nil && (sound.Found == 0 || !rawsqlite.IsDamaged(err)) {
			return nil, unavailable("audit the database", err)
		}
		if f.Found > 0 {
			findings = append(findings, f)
		}
	}
	return findings, nil
}

// rules returns the statements for the rules that SQL can check.
func rules(now, kept time.Time) []store.AuditStatement {
	return store.AuditStatements(store.Dialect{
		Living: "s.deleted_at = 0", Active: "s.is_active = 1", Before: fmt.Sprint(micros(store.AuditedBefore(now))),
		Deliveries: "all_deliveries", EventOf: "e.seq = d.event_seq",
		Events: "SELECT id, delivery_count, seq AS key FROM events", Of: "event_seq",
		Kept: fmt.Sprintf("x'%x'", event.FloorID(kept)),
	})
}

// soundness makes SQLite read every page and compare every index with its table. SQLite can't check
// the bytes of a payload.
func soundness(ctx context.Context, tx *sql.Tx) (event.Finding, error) {
	f := event.Finding{Rule: event.RuleDatabaseIsSound}
	faults, err := integrityCheck(ctx, tx)
	switch {
	case rawsqlite.IsDamaged(err): // the damage prevents the rest of the check
		faults = append(faults, err.Error())
	case err != nil || len(faults) == 1 && faults[0] == "ok":
		return f, err
	}
	f.Found, f.Detail = len(faults), strings.Join(strings.Fields(faults[0]), " ") // it may have several lines
	return f, nil
}

// integrityCheck returns the faults that SQLite finds, or "ok" alone.
func integrityCheck(ctx context.Context, tx *sql.Tx) (found []string, err error) {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", event.FindingsMost))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return found, err
		}
		found = append(found, text)
	}
	return found, rows.Err()
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
