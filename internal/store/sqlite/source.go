package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// Source is a database from which a copy reads. No service uses it meanwhile, and nothing is written
// to it.
type Source struct{ store *Store }

// OpenSource opens a database for reading. It fails if the database does not have the tables of
// this release, or if another process uses it.
func OpenSource(ctx context.Context, path string) (_ *Source, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open the source: %w", err)
	}
	s := &Store{shared: true, lock: flock.New(path + ".lock")}
	defer func() {
		if err != nil {
			s.Close()
			err = withAdvice(path, err)
		}
	}()
	alone, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	if !alone {
		return nil, fmt.Errorf("another hookferry process has %s open: stop the service first, because the copy would miss what it writes from now on", path)
	}
	if err := rawsqlite.CheckLog(path); err != nil {
		return nil, err
	}
	if s.reads, err = openReadOnly(path); err != nil {
		return nil, err
	}
	return &Source{s}, checkVersion(ctx, s.reads, path)
}

// openReadOnly opens a file so that SQLite can't write to it. SQLite reads the log that a crash has
// left, and leaves it there. If there is no log, SQLite creates no file beside the database.
func openReadOnly(path string) (*sql.DB, error) {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)", "cell_size_check(1)", "query_only(1)"}}
	if log, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) || err == nil && log.Size() == 0 {
		q.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", dsn(path, q))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// checkVersion returns an error if the tables are not those of this release.
func checkVersion(ctx context.Context, db *sql.DB, path string) error {
	version, err := tablesVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("read which migrations %s has: %w", path, err)
	}
	missing, err := firstMissing(version)
	if err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	newest, err := goose.NumericComponent(filepath.Base(names[len(names)-1]))
	switch {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("%s has no Hookferry tables, so there is nothing to copy", path)
	case missing != 0:
		return fmt.Errorf("the tables of %s are from an older release, and a copy does not change its source: start the service of this release once, or run `hookferry migrate`, to upgrade them", path)
	case version > newest:
		return fmt.Errorf("the tables of %s are from a newer release: run `hookferry copy` of that release", path)
	}
	return nil
}

// Close closes the file.
func (s *Source) Close() error { return s.store.Close() }

// Audit is as in store.History.
func (s *Source) Audit(ctx context.Context, now, kept time.Time) ([]event.Finding, error) {
	return s.store.Audit(ctx, now, kept)
}

// ListSubscriptions is as in store.Subscriptions. The secrets are sealed.
func (s *Source) ListSubscriptions(ctx context.Context, q event.SubscriptionQuery) ([]event.Subscription, error) {
	return s.store.ListSubscriptions(ctx, q)
}

// Counts counts all rows.
func (s *Source) Counts(ctx context.Context) (store.CopyCounts, error) {
	counts := store.CopyCounts{}
	for kind, table := range map[string]string{
		"tenants": "tenants", "subscriptions": "subscriptions", "endpoint health": "subscription_health", "API keys": "api_keys",
		"event types": "event_types", "idempotency keys": "idempotency_keys", "idempotency keys of tenants": "event_keys",
		"events": "events", "attempts": "delivery_attempts",
	} {
		var n int64
		if err := s.store.reads.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			return nil, unavailable("count rows", err)
		}
		counts[kind] = n
	}
	byStatus, err := s.store.Count(ctx)
	for _, status := range event.Statuses {
		counts["deliveries "+status.String()] = int64(byStatus[status])
	}
	return counts, err
}

// fingerprints select texts that change with everything that a service does to a database. The
// large tables are counted and summed. Subscriptions, health and keys are few, so all of their
// values are part of the text. Remainders are summed, because sums of microseconds would overflow.
var fingerprints = []string{
	`SELECT quote(count(*)) || ' ' || quote(max(seq)) || ' ' || quote(sum(erased_at % 1000000007)) FROM events`,
	`SELECT quote(count(*)) || ' ' || quote(sum(status)) || ' ' || quote(sum(attempts)) || ' ' || quote(sum(due_at % 1000000007)) || ' ' ||
		quote(sum(settled_at % 1000000007)) || ' ' || quote(sum(round)) || ' ' || quote(sum(stray)) || ' ' || quote(sum(lease_owner = 'parked')) FROM deliveries`,
	`SELECT quote(count(*)) FROM unfiled`,
	`SELECT quote(count(*)) FROM delivery_attempts`,
	`SELECT quote(count(*)) || ' ' || quote(sum(created_at % 1000000007)) FROM idempotency_keys`,
	`SELECT quote(count(*)) || ' ' || quote(sum(created_at % 1000000007)) FROM event_keys`,
	`SELECT ` + quoted(strings.Split(tenantColumns, ", ")...) + ` FROM tenants ORDER BY no`,
	`SELECT ` + quoted(strings.Split(eventTypeColumns, ", ")...) + ` FROM event_types ORDER BY name`,
	typesVersion,
	`SELECT ` + subscriptionText + ` FROM subscriptions ORDER BY id`,
	`SELECT quote(subscription_id) || ` + quoted("failing", "failing_since", "not_before", "refused_since", "refused_at", "refusals", "changed_at") + ` FROM subscription_health ORDER BY 1`,
	`SELECT quote(id) || ` + quoted(strings.Split(keyColumns, ", ")...) + ` FROM api_keys ORDER BY 1`,
}

func quoted(columns ...string) string { return "quote(" + strings.Join(columns, ") || quote(") + ")" }

// Fingerprint returns a text that changes if the database changes.
func (s *Source) Fingerprint(ctx context.Context) (string, error) {
	sum := sha256.New()
	for _, query := range fingerprints {
		fmt.Fprintf(sum, "%s\n", query)
		rows, err := s.store.reads.QueryContext(ctx, query)
		if err != nil {
			return "", unavailable("check whether the source has changed", err)
		}
		list, err := collect("check whether the source has changed", rows, func() (text string, err error) {
			err = rows.Scan(&text)
			return text, err
		})
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q\n", list)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
