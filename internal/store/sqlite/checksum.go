package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// SQLite's pages have no checksums, so SQLite does not notice if the disk flips a bit in a
// payload or a URL. Therefore each event has a checksum of everything that is delivered, which is
// checked when a delivery of the event is claimed. Each subscription has a checksum of its whole
// row, which is checked when the row is read. An audit checks all of them.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of everything of an event that is delivered, with bit 32 set. So 0
// can mean that there is no checksum. head is a buffer, which checksum returns for reuse.
func checksum(e *event.Event, head []byte) (sum int64, memory []byte) {
	head = append(head[:0], e.ID[:]...)
	head = append(append(head, e.Type...), 0)
	head = append(append(head, e.ContentType...), 0)
	head = binary.AppendVarint(binary.AppendVarint(head, int64(e.DataAt)), int64(e.DataLen))
	crc := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, e.Payload)
	return int64(crc) | 1<<32, head
}

// isIntact reports whether an event matches its checksum. Events that release 0.1.0 stored have
// none and count as intact.
func isIntact(e *event.Event, kept int64) bool {
	now, _ := checksum(e, nil)
	return kept == 0 || kept == now
}

// failDamaged settles a delivery as failed because its event does not match its checksum.
func (w *writer) failDamaged(d event.Delivery, r *event.ClaimRequest) error {
	s := event.Settle(d, event.Outcome{
		StartedAt: r.Now, Code: event.CodeDamaged,
		Error: "the event was not sent, because the disk has changed it: it does not match its checksum in the database",
	}, nil, r.Now, 0)
	return w.record(&s)
}

// intactEvents compares all events with their checksums.
func intactEvents(ctx context.Context, tx *sql.Tx) (event.Finding, error) {
	f := event.Finding{Rule: event.RuleEventIsIntact}
	rows, err := tx.QueryContext(ctx, `SELECT id, type, content_type, payload, data_at, data_len, checksum FROM events WHERE checksum <> 0 ORDER BY seq`)
	if err != nil {
		return f, fmt.Errorf("read the events: %w", err)
	}
	defer rows.Close()
	for rows.Next() && f.Found < event.FindingsMost {
		var e event.Event
		var payload sql.RawBytes
		var kept int64
		if err := rows.Scan(idScan{&e.ID}, &e.Type, &e.ContentType, &payload, &e.DataAt, &e.DataLen, &kept); err != nil {
			return f, err
		}
		if e.Payload = payload; isIntact(&e, kept) {
			continue
		}
		if f.Found == 0 {
			f.Oldest = e.ID
		}
		f.Found++
	}
	return f, rows.Err()
}

// subscriptionText is an SQL expression for the row of a subscription as one text. The checksum
// is computed over this text.
var subscriptionText = func() string {
	names := append(strings.Split(subscriptionColumns(&subscriptionRow{}).Names(), ", "), "inactive_since", "tenant_version")
	return "quote(" + strings.Join(names, ") || quote(") + ")"
}()

func checksumOfText(text string) int64 {
	return int64(crc32.Checksum([]byte(text), castagnoli)) | 1<<32
}

// damaged is the reason why the deliveries of a subscription with a damaged row wait.
const damaged = "the disk has changed its row in the database, which does not match its checksum: restore a backup, or replace the subscription with a new secret and all its headers"

// writeChecksum writes the checksum of a row that was just written.
func (w *writer) writeChecksum(id event.ID) error {
	var text string
	if err := w.conn.Row(`SELECT `+subscriptionText+` FROM subscriptions WHERE id = ?`, id[:]).Scan(&text); err != nil {
		return err
	}
	_, err := w.conn.Exec(`UPDATE subscriptions SET checksum = ? WHERE id = ?`, checksumOfText(text), id[:])
	return err
}

// disableSubscription makes a subscription inactive. It does not update the checksum of a damaged
// row, so that the damage stays visible.
func (w *writer) disableSubscription(id event.ID, reason string, at time.Time) error {
	var text string
	var kept, tenantNo int64
	err := w.conn.Row(`SELECT `+subscriptionText+`, checksum, tenant_no FROM subscriptions WHERE id = ?`, id[:]).Scan(&text, &kept, &tenantNo)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	disabled, err := w.conn.Exec(`UPDATE subscriptions SET is_active = 0, disabled_reason = ?1, updated_at = ?2, inactive_since = ?2, revision = revision + 1
		WHERE id = ?3 AND is_active = 1 AND deleted_at = 0`, reason, micros(at), id[:])
	if err != nil || disabled == 0 {
		return err
	}
	if err := w.raiseVersion(id, tenantNo); err != nil || kept != 0 && kept != checksumOfText(text) {
		return err
	}
	return w.writeChecksum(id)
}

// writeMissingChecksums writes the checksums of subscriptions that an older release wrote.
func (w *writer) writeMissingChecksums() error {
	for {
		var id event.ID
		err := w.conn.Row(`SELECT id FROM subscriptions WHERE checksum = 0 LIMIT 1`).Scan(idScan{&id})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = w.writeChecksum(id)
		}
		if err != nil {
			return err
		}
	}
}

// intactSubscriptions compares all subscriptions with their checksums.
func intactSubscriptions(ctx context.Context, tx *sql.Tx) (event.Finding, error) {
	f := event.Finding{Rule: event.RuleSubscriptionIsIntact}
	rows, err := tx.QueryContext(ctx, `SELECT id, `+subscriptionText+`, checksum FROM subscriptions WHERE checksum <> 0 ORDER BY id`)
	if err != nil {
		return f, fmt.Errorf("read the subscriptions: %w", err)
	}
	defer rows.Close()
	for rows.Next() && f.Found < event.FindingsMost {
		var id event.ID
		var text string
		var kept int64
		if err := rows.Scan(idScan{&id}, &text, &kept); err != nil {
			return f, err
		}
		if kept == checksumOfText(text) {
			continue
		}
		if f.Found == 0 {
			f.Oldest = id
		}
		f.Found++
	}
	return f, rows.Err()
}
