-- +goose Up

-- Keys from before may do everything and do not end. So do those that an older release
-- makes beside this one, which is what the default is for.
ALTER TABLE api_keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
