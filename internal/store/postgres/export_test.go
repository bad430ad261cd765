package postgres

import (
	"context"
	"database/sql"
	"time"
)

// WithClock gives a store the clock of a test: the time, and how long the machine has run. The store
// measures the offset only when the clock seems to have been set, and not regularly.
func (o Options) WithClock(local func() (time.Time, time.Duration)) Options {
	o.local, o.measureEvery = local, time.Hour
	return o
}

// MeasureClock measures the clock at once.
func (s *Store) MeasureClock(ctx context.Context) error { return s.clock.measure(ctx, s.pool) }

// UsableOffset computes the offset to use from a measured one.
var UsableOffset = usable

// NameTables replaces the placeholders of a statement with the names of partitions.
var NameTables = nameTables

// WritesIn returns the statements of a commit whose ids are all in the window of one moment, and
// the suffix of its partitions.
func WritesIn(at time.Time) (suffixed string, statements []string) {
	in := writesIn(at.UTC().Truncate(window))
	return suffix(in.of), []string{in.insert, in.insertTenants, in.publish, in.settle, in.attempt}
}

// Fail converts an error of the driver to one of the store.
var Fail = fail

// MigrateHotTables is the migration that adds the columns and indexes of the partitioned
// tables.
var MigrateHotTables = migrateHotTables

// MigrateTenants is the migration that adds tenants and event types.
var MigrateTenants = migrateTenants

// NewIndexes returns the indexes that the migration creates, each with its table.
func NewIndexes() map[string]string {
	tables := make(map[string]string)
	for _, i := range newIndexes {
		tables[i.name] = i.table
	}
	return tables
}

// IndexPartition creates one of the migration's indexes on a partition.
func IndexPartition(ctx context.Context, db *sql.DB, index, partition string) error {
	for _, i := range newIndexes {
		if i.name == index {
			return untilFree(ctx, index, func() error { return i.onPartition(ctx, db, partition) })
		}
	}
	return nil
}
