-- +goose Up

-- Existing keys keep all permissions and never expire. The defaults give the same to keys
-- that a process of an older release creates later.
ALTER TABLE api_keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
