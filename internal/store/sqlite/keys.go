package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	keyColumns = `id, name, prefix, hash, scope, created_at, expires_at, revoked_at, used_at, tenant_no`
	selectKeys = `SELECT ` + keyColumns + `, ` + selectedTenant + ` FROM api_keys `

	// boundScope begins the scope of a key that is bound to a tenant. Release 0.1.0 does not know
	// such a scope, and refuses the key.
	boundScope = "bound:"
)

// CreateKey stores a new API key's hash.
func (s *Store) CreateKey(ctx context.Context, k event.APIKey) error {
	return s.write(ctx, 1, func(w *writer) error {
		scope, tenantNo := string(k.Scope), int64(-1)
		if k.IsBound() {
			t, err := readTenant(w.conn.Row(livingTenant, k.Tenant), k.Tenant)
			if err != nil {
				return err
			}
			scope, tenantNo = boundScope+scope, t.No
		}
		_, err := w.conn.Exec(`INSERT INTO api_keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.ID[:], k.Name, k.Prefix, k.Hash[:], scope, micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.RevokedAt), micros(k.UsedAt), tenantNo)
		return err
	})
}

// KeyByHash finds a key, even if it is revoked.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (event.APIKey, error) {
	k, err := scanKey(s.reads.QueryRowContext(ctx, selectKeys+`WHERE hash = ?`, hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return event.APIKey{}, fmt.Errorf("%w: API key", event.ErrNotFound)
	}
	if err != nil {
		return event.APIKey{}, unavailable("read an API key", err)
	}
	return k, nil
}

// ListKeys reads all keys, oldest first.
func (s *Store) ListKeys(ctx context.Context) ([]event.APIKey, error) {
	rows, err := s.reads.QueryContext(ctx, selectKeys+`ORDER BY id`)
	if err != nil {
		return nil, unavailable("list API keys", err)
	}
	return collect("list API keys", rows, func() (event.APIKey, error) { return scanKey(rows) })
}

// RevokeKey revokes a key.
func (s *Store) RevokeKey(ctx context.Context, id event.ID, at time.Time) error {
	return s.write(ctx, 1, func(w *writer) error {
		n, err := w.conn.Exec(`UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at = 0`, micros(at), id[:])
		if err == nil && n == 0 {
			return fmt.Errorf("%w: no valid API key %s", event.ErrNotFound, id)
		}
		return err
	})
}

// KeyUsed records that a key was used.
func (s *Store) KeyUsed(ctx context.Context, id event.ID, at time.Time) error {
	return s.write(ctx, 1, func(w *writer) error {
		_, err := w.conn.Exec(`UPDATE api_keys SET used_at = ? WHERE id = ? AND used_at < ?`, micros(at), id[:], micros(at))
		return err
	})
}

// scanKey reads a key. The scope of a key whose tenant does not exist stays one that permits nothing.
func scanKey(row scanner) (event.APIKey, error) {
	var k event.APIKey
	var hash []byte
	var tenantNo int64
	err := row.Scan(idScan{&k.ID}, &k.Name, &k.Prefix, &hash, &k.Scope,
		timeScan{&k.CreatedAt}, timeScan{&k.ExpiresAt}, timeScan{&k.RevokedAt}, timeScan{&k.UsedAt}, &tenantNo, &k.Tenant)
	copy(k.Hash[:], hash)
	if k.IsBound() {
		k.TenantNo, k.Scope = tenantNo, event.Scope(strings.TrimPrefix(string(k.Scope), boundScope))
	}
	return k, err
}
