package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	keyColumns   = `id, name, prefix, hash, scope, created_at, expires_at, revoked_at, used_at`
	keyByHashSQL = `SELECT ` + keyColumns + ` FROM api_keys WHERE hash = $1`
)

// CreateKey stores a new API key's hash.
func (s *Store) CreateKey(ctx context.Context, k event.APIKey) error {
	ctx, cancel := context.WithTimeout(ctx, quick)
	defer cancel()
	_, err := s.pool.Exec(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		uuid(k.ID), clean(k.Name), clean(k.Prefix), k.Hash[:], string(k.Scope), k.CreatedAt, nullTime(k.ExpiresAt), nullTime(k.RevokedAt), nullTime(k.UsedAt))
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
	rows, err := s.pool.Query(ctx, `SELECT `+keyColumns+` FROM api_keys ORDER BY id`)
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
	err := row.Scan(idTo(&k.ID), &k.Name, &k.Prefix, &hash, &k.Scope,
		timeTo{&k.CreatedAt}, timeTo{&k.ExpiresAt}, timeTo{&k.RevokedAt}, timeTo{&k.UsedAt})
	copy(k.Hash[:], hash)
	return k, err
}
