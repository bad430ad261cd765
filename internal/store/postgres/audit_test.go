package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
	"github.com/hookferry/hookferry/internal/store/storetest"
)

// damaged opens a store, and returns a function that runs statements directly on its database.
func damaged(t *testing.T) (*postgres.Store, func(string)) {
	t.Helper()
	url := server.Database(t, template)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, postgres.Options{URL: url})
	return s, func(statement string) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(t.Context()) })
	}
}

func TestAuditFindsDamage(t *testing.T) {
	storetest.Audit(t, func(t *testing.T) (store.Store, func(string)) { return damaged(t) })
}

// Partitions exist for a day ahead, and not for the day after that.
func TestAuditFindsMissingPartitions(t *testing.T) {
	s, exec := damaged(t)
	now := time.Now()
	if findings, err := s.Audit(t.Context(), now, time.Time{}); err != nil || len(findings) > 0 {
		t.Fatalf("found %v (%v), want nothing", findings, err)
	}
	exec(`DO $$ DECLARE p text; BEGIN
		SELECT max(i.inhrelid::regclass::text) INTO p FROM pg_inherits i WHERE i.inhparent = 'deliveries'::regclass;
		FOR i IN 1..3 LOOP
			EXECUTE 'DROP TABLE ' || p;
			SELECT max(i.inhrelid::regclass::text) INTO p FROM pg_inherits i WHERE i.inhparent = 'deliveries'::regclass;
		END LOOP; END $$`)
	findings, err := s.Audit(t.Context(), now, time.Time{})
	if err != nil || len(findings) != 1 || findings[0].Rule != event.RulePartitionsAreAhead || findings[0].Found != 1 {
		t.Errorf("found %v (%v), want a missing partition", findings, err)
	}
}
