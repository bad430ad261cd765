package postgres

import (
	"context"
	"database/sql"
)

// This migration adds pauses, revisions and the health of endpoints. Other nodes read and write
// the same tables meanwhile, so each step uses withLock and may run again.
const (
	pauseAndHealthVersion = 4
	pauseAndHealthName    = "0004_pause_and_health"
)

// parkedIndex contains the parked deliveries; see event.ParkedOwner.
var parkedIndex = partialIndex{"deliveries_parked", "deliveries", `(subscription_id, due_at, id) WHERE status = 0 AND lease_owner = 'parked'`}

func migratePauseAndHealth(ctx context.Context, db *sql.DB) error {
	for _, sql := range []string{
		`ALTER TABLE subscriptions
			ADD COLUMN IF NOT EXISTS revision      bigint NOT NULL DEFAULT 1,   -- rises with every change of what a caller may set
			ADD COLUMN IF NOT EXISTS paused_at     timestamptz,
			ADD COLUMN IF NOT EXISTS paused_by     text NOT NULL DEFAULT '',
			ADD COLUMN IF NOT EXISTS paused_reason text NOT NULL DEFAULT ''`,
		`CREATE INDEX IF NOT EXISTS subscriptions_paused ON subscriptions (paused_at) WHERE paused_at IS NOT NULL`,
		// Every change of a subscription increases its revision, even on a node of an older
		// release. A pause does not, and neither does sealing the same secrets under another
		// master key.
		`CREATE OR REPLACE FUNCTION hookferry_raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
			DECLARE
				beside text[] := ARRAY['revision', 'updated_at', 'inactive_since', 'paused_at', 'paused_by', 'paused_reason'];
			BEGIN
				IF NEW.revision = OLD.revision AND coalesce(current_setting('hookferry.same_settings', true), '') <> 'yes'
					AND to_jsonb(NEW) - beside IS DISTINCT FROM to_jsonb(OLD) - beside THEN
					NEW.revision := OLD.revision + 1;
				END IF;
				RETURN NEW;
			END $$`,
		`CREATE OR REPLACE TRIGGER raise_revision BEFORE UPDATE ON subscriptions FOR EACH ROW EXECUTE FUNCTION hookferry_raise_revision()`,
		// The health of a subscription's endpoint. No row means that it is healthy. It is a
		// separate table because attempts change it, and not callers.
		`CREATE TABLE IF NOT EXISTS subscription_health (
			subscription_id uuid PRIMARY KEY,
			failing         boolean NOT NULL,
			failing_since   timestamptz,
			not_before      timestamptz,        -- no request starts before
			refused_since   timestamptz,
			refused_at      timestamptz,
			refusals        integer NOT NULL,
			changed_at      timestamptz)`,
	} {
		if err := withLock(ctx, db, sql); err != nil {
			return err
		}
	}
	return parkedIndex.create(ctx, db)
}
