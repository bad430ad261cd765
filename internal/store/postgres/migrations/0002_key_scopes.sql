-- +goose Up

-- Existing keys keep all permissions and never expire. The defaults give the same to keys
-- that a node of an older release creates later.
ALTER TABLE api_keys ADD COLUMN scope text NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
ALTER TABLE api_keys ADD COLUMN used_at timestamptz;
