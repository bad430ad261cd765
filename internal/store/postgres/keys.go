package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	keyColumns   = `id, name, prefix, hash, scope, created_at, expires_at, revoked_at, used_at`
	keyByHashSQL = selectKeys + ` WHERE hash = $1`
	selectKeys   = `SELECT ` + keyColumns + `, tenant_no IS NOT NULL, coalesce(tenant_no, 0),
		coalesce((SELECT t.id FROM tenants t WHERE t.no = tenant_no), '') FROM api_keys`
	newKeySQL = `INSERT INTO api_keys (` + keyColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	// newBoundKeySQL locks the tenant, so that a deletion at the same moment revokes the key, or
	// no key is created.
	newBoundKeySQL = `INSERT INTO api_keys (` + keyColumns + `, tenant_no) SELECT
		$1::uuid, $2::text, $3::text, $4::bytea, $5::text, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9::timestamptz, t.no
		FROM (SELECT no FROM tenants WHERE id = $10 AND deleted_at IS NULL FOR SHARE) AS t`
	// boundScope is before the scope of a key that is bound to a tenant. Release 0.1.0 does not
	// know such a scope, and refuses the key.
	boundScope = "bound:"
)

// CreateKey stores a new API key's hash.
func (s *Store) CreateKey(ctx context.Context, k event.APIKey) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	args := []any{
		uuid(k.ID), clean(k.Name), clean(k.Prefix), k.Hash[:], string(k.Scope),
		k.CreatedAt, nullTime(k.ExpiresAt), nullTime(k.RevokedAt), nullTime(k.UsedAt),
	}
	sql := newKeySQL
	if k.IsBound() {
		args[4] = boundScope + string(k.Scope)
		sql, args = newBoundKeySQL, append(args, clean(k.Tenant))
	}
	tag, err := s.pool.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return errNoTenant(k.Tenant)
	}
	return fail("create an API key", err)
}

// KeyByHash finds a key, even if it is revoked.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (event.APIKey, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	k, err := scanKey(s.pool.QueryRow(ctx, keyByHashSQL, hash[:]))
	if errors.Is(err, pgx.ErrNoRows) {
		return event.APIKey{}, fmt.Errorf("%w: API key", event.ErrNotFound)
	}
	if err != nil {
		return event.APIKey{}, fail("read an API key", err)
	}
	return k, nil
}

// ListKeys reads all keys, oldest first.
func (s *Store) ListKeys(ctx context.Context) ([]event.APIKey, error) {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	rows, err := s.pool.Query(ctx, selectKeys+` ORDER BY id`)
	if err != nil {
		return nil, fail("list API keys", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.APIKey, error) { return scanKey(row) })
	if err != nil {
		return nil, fail("list API keys", err)
	}
	return list, nil
}

// RevokeKey revokes a key.
func (s *Store) RevokeKey(ctx context.Context, id event.ID, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	tag, err := s.pool.Exec(ctx, `UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`, at, uuid(id))
	if err == nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: no valid API key %s", event.ErrNotFound, id)
	}
	return fail("revoke an API key", err)
}

// KeyUsed records that a key was used.
func (s *Store) KeyUsed(ctx context.Context, id event.ID, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	_, err := s.pool.Exec(ctx, `UPDATE api_keys SET used_at = $1 WHERE id = $2 AND (used_at IS NULL OR used_at < $1)`, at, uuid(id))
	return fail("record the use of an API key", err)
}

func scanKey(row pgx.Row) (event.APIKey, error) {
	var k event.APIKey
	var hash []byte
	var scope string
	var isBound bool
	err := row.Scan(idTo(&k.ID), &k.Name, &k.Prefix, &hash, &scope,
		timeTo{&k.CreatedAt}, timeTo{&k.ExpiresAt}, timeTo{&k.RevokedAt}, timeTo{&k.UsedAt}, &isBound, &k.TenantNo, &k.Tenant)
	copy(k.Hash[:], hash)
	if isBound {
		scope = strings.TrimPrefix(scope, boundScope)
	}
	k.Scope = event.Scope(scope)
	return k, err
}
