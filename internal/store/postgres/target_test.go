package postgres_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// A copy must contain each column that a migration adds.
func TestACopyHasEveryColumn(t *testing.T) {
	t.Parallel()
	url := server.Database(t, "")
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	copied := map[string][]string{"goose_db_version": nil, "window_touched": nil}
	for _, step := range store.CopySteps() {
		copied[step.Table] = []string{"retry_schedule_us"}
		for _, c := range step.Columns {
			copied[step.Table] = append(copied[step.Table], c.Name)
		}
	}
	rows, err := conn.Query(t.Context(), `SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var table, column string
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		n++
		if columns, known := copied[table]; !known || columns != nil && !slices.Contains(columns, column) {
			t.Errorf("%s.%s is not in a copy: add it to store.CopySteps", table, column)
		}
		return nil
	})
	if err != nil || n < 60 {
		t.Errorf("%d columns were found, %v", n, err)
	}
}
