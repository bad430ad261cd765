package postgres_test

import (
	"crypto/sha256"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/postgres"
)

// A key from before there were scopes may do everything, as before, and does not expire.
func TestKeysFromBeforeScopesAreForAdmins(t *testing.T) {
	url := server.Database(t, template)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	hash := sha256.Sum256([]byte("old"))
	_, err = db.Exec(t.Context(), `ALTER TABLE api_keys DROP COLUMN scope, DROP COLUMN expires_at, DROP COLUMN used_at;
		DELETE FROM goose_db_version WHERE version_id >= 2`)
	if err == nil {
		_, err = db.Exec(t.Context(), `INSERT INTO api_keys (id, name, prefix, hash, created_at) VALUES (gen_random_uuid(), 'old', 'hf_', $1, now())`, hash[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, postgres.Options{URL: url})
	k, err := s.KeyByHash(t.Context(), hash)
	if err != nil || k.Scope != event.ScopeAdmin || !k.ExpiresAt.IsZero() || !k.RevokedAt.IsZero() || !k.UsedAt.IsZero() {
		t.Errorf("%+v, %v", k, err)
	}
}
