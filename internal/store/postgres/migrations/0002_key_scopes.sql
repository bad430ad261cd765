-- +goose Up

-- Keys from before may do everything and do not end. So do those that an older release
-- makes beside this one, which is what the default is for.
ALTER TABLE api_keys ADD COLUMN scope text NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
ALTER TABLE api_keys ADD COLUMN used_at timestamptz;
