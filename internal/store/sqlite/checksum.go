package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hookferry/hookferry/internal/event"
)

// SQLite's pages have no checksums, so a bit that flips on the disk in a value which is kept
// once, such as a payload, would be read and delivered as if it were right. Each event has a
// checksum of what of it is delivered. It is compared before an event is claimed from the
// database, and by an audit.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of what of an event is delivered, with one bit more, so that 0 can
// say that there is none. head is memory to work with.
func checksum(e *event.Event, head []byte) (sum int64, memory []byte) {
	head = append(head[:0], e.ID[:]...)
	head = append(append(head, e.Type...), 0)
	head = append(append(head, e.ContentType...), 0)
	head = binary.AppendVarint(binary.AppendVarint(head, int64(e.DataAt)), int64(e.DataLen))
	crc := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, e.Payload)
	return int64(crc) | 1<<32, head
}

// isIntact reports whether an event is as it was stored. Those that release 0.1.0 stored have
// no checksum.
func isIntact(e *event.Event, kept int64) bool {
	now, _ := checksum(e, nil)
	return kept == 0 || kept == now
}

// failDamaged settles a delivery whose event is not as it was stored: it is not delivered.
func (w *writer) failDamaged(d event.Delivery, r *event.ClaimRequest) error {
	s := event.Settle(d, event.Outcome{
		StartedAt: r.Now, Code: event.CodeDamaged,
		Error: "the event in the database is not as it was stored: the disk has changed it; it was not sent",
	}, nil, r.Now, 0)
	return w.record(&s)
}

// intactness compares all events that have a checksum with it.
func intactness(ctx context.Context, tx *sql.Tx) (event.Finding, error) {
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
