package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/store/storetest"
)

func TestAuditFindsDamage(t *testing.T) {
	storetest.Audit(t, func(t *testing.T) (store.Store, func(string)) {
		path := filepath.Join(t.TempDir(), "hookferry.db")
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return s, func(statement string) {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	})
}
