package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"path/filepath"
	"testing"

	"hookferry/internal/event"
	"hookferry/internal/store/sqlite"
)

// A key from before there were scopes may do everything, as before, and does not end.
func TestKeysFromBeforeScopesAreForAdmins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hookferry.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	hash := sha256.Sum256([]byte("old"))
	for _, statement := range []string{
		"ALTER TABLE api_keys DROP COLUMN scope", "ALTER TABLE api_keys DROP COLUMN expires_at", "ALTER TABLE api_keys DROP COLUMN used_at",
		"DELETE FROM goose_db_version WHERE version_id = 2",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO api_keys VALUES (zeroblob(16), 'old', 'hf_', ?, 1, 0)", hash[:]); err != nil {
		t.Fatal(err)
	}
	s, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k, err := s.KeyByHash(t.Context(), hash)
	if err != nil || k.Scope != event.ScopeAdmin || !k.ExpiresAt.IsZero() || !k.RevokedAt.IsZero() || !k.UsedAt.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
}
