package powerloss

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

// database is the name of the store's file.
const database = "hookferry.db"

// put makes a directory contain exactly an image.
func (i image) put(dir string) error {
	for _, ending := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.RemoveAll(filepath.Join(dir, database+ending)); err != nil {
			return err
		}
	}
	for name, bytes := range i {
		if err := os.WriteFile(filepath.Join(dir, name), bytes, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// check checks an image with SQLite itself, and with the store.
func check(dir string, found image, want ledger) error {
	if err := checkPlain(dir, found, want); err != nil {
		return fmt.Errorf("SQLite: %w", err)
	}
	if err := found.put(dir); err != nil {
		return err
	}
	if err := checkStore(filepath.Join(dir, database), want); err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	return nil
}

// checkPlain opens the database like any program.
func checkPlain(dir string, found image, want ledger) error {
	if err := found.put(dir); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, database))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("integrity_check: %s, %w", verdict, err)
	}
	if len(want) == 0 { // there may be no tables yet
		return nil
	}
	return checkRows(db, want)
}

// checkRows looks for everything that was acknowledged.
func checkRows(db *sql.DB, want ledger) error {
	deliveries, err := db.Query(`SELECT d.id, d.status, d.attempts, e.payload FROM all_deliveries d JOIN events e ON e.seq = d.event_seq`)
	if err != nil {
		return err
	}
	defer deliveries.Close()
	attempts, missing := map[event.ID]bool{}, want.clone()
	for deliveries.Next() {
		var id, payload []byte
		var status event.Status
		var number int
		if err := deliveries.Scan(&id, &status, &number, &payload); err != nil {
			return err
		}
		k, wanted := missing[event.ID(id)]
		delete(missing, event.ID(id))
		if wanted && sha256.Sum256(payload) != k.payload {
			return fmt.Errorf("the payload of delivery %s has changed: %d bytes", event.ID(id), len(payload))
		}
		if wanted && (number < k.number || k.status != event.Pending && status != k.status) {
			return fmt.Errorf("delivery %s is %v after %d attempts, and was %v after %d", event.ID(id), status, number, k.status, k.number)
		}
	}
	if err := deliveries.Err(); err != nil {
		return err
	}
	for id := range missing {
		return fmt.Errorf("%d of %d acknowledged deliveries are lost: %s", len(missing), len(want), id)
	}
	rows, err := db.Query(`SELECT id FROM delivery_attempts`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return err
		}
		attempts[event.ID(id)] = true
	}
	for id, k := range want {
		if i := slices.IndexFunc(k.attempts, func(a event.ID) bool { return !attempts[a] }); i >= 0 {
			return fmt.Errorf("attempt %s of delivery %s is lost", k.attempts[i], id)
		}
	}
	return rows.Err()
}

// alwaysHold are the rules that no crash may break. The other rules report unfinished work.
var alwaysHold = []event.Rule{
	event.RuleDeliveryHasEvent, event.RuleEventHasDeliveries, event.RuleAttemptsOnRecord, event.RuleSettledIsFree, event.RulePendingIsWanted,
	event.RuleDatabaseIsSound,
}

// checkStore starts the store, checks the rules, and accepts one more event.
func checkStore(path string, want ledger) (err error) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return fmt.Errorf("it does not open: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	now := epoch(1000)
	findings, err := s.Audit(ctx, now, now)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if slices.Contains(alwaysHold, f.Rule) {
			return fmt.Errorf("%d break the rule %s: %s", f.Found, f.Rule, f.Oldest)
		}
	}
	for _, id := range newest(want, 3) {
		if _, err := s.Delivery(ctx, id); err != nil {
			return err
		}
	}
	return s.CreateSubscription(ctx, event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", CreatedAt: now, UpdatedAt: now})
}

func newest(l ledger, n int) []event.ID {
	ids := make([]event.ID, 0, len(l))
	for id := range l {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return slices.Compare(b[:], a[:]) })
	return ids[:min(n, len(ids))]
}
