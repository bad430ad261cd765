package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// entryVersion is the first byte of every entry. A node that reads an unknown version leaves the
// delivery to the database.
const entryVersion = 1

// maxEntry is the largest payload that goes through Redis, in bytes. Deliveries with larger ones
// go through the database.
const maxEntry = 64 << 10

var errNoEntry = errors.New("not an entry that this release understands")

// encode encodes a delivery that was just stored: its row, its event, and when it was sent. The
// times sent and LeasedUntil are by Redis's clock.
func encode(c event.Claimed, sent time.Time) []byte {
	d, e := &c.Delivery, &c.Event
	b := make([]byte, 0, 96+len(d.LeaseOwner)+len(e.Type)+len(e.ContentType)+len(e.Payload))
	b = append(b, entryVersion)
	b = append(b, d.ID[:]...)
	b = append(b, e.ID[:]...)
	b = append(b, d.SubscriptionID[:]...)
	for _, at := range []time.Time{d.CreatedAt, d.LeasedUntil, sent} {
		b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
	}
	for _, text := range []string{d.LeaseOwner, e.Type, e.ContentType} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return append(b, e.Payload...)
}

// decode decodes what encode has written.
func decode(text string) (c event.Claimed, sent time.Time, err error) {
	r := reader{rest: text}
	if version := r.take(1); version != string(rune(entryVersion)) {
		return event.Claimed{}, time.Time{}, errNoEntry
	}
	d, e := &c.Delivery, &c.Event
	copy(d.ID[:], r.take(len(d.ID)))
	copy(e.ID[:], r.take(len(e.ID)))
	copy(d.SubscriptionID[:], r.take(len(d.SubscriptionID)))
	d.CreatedAt, d.LeasedUntil, sent = r.time(), r.time(), r.time()
	d.LeaseOwner, e.Type, e.ContentType = r.text(), r.text(), r.text()
	if r.short {
		return event.Claimed{}, time.Time{}, fmt.Errorf("%w: it is truncated", errNoEntry)
	}
	d.EventID, d.DueAt, e.CreatedAt = e.ID, d.CreatedAt, d.CreatedAt
	e.Payload = []byte(r.rest)
	return c, sent, nil
}

// reader reads the fields of an entry.
type reader struct {
	rest  string
	short bool // the entry ended too early
}

func (r *reader) take(n int) string {
	if n < 0 || n > len(r.rest) {
		r.short, r.rest = true, ""
		return string(make([]byte, max(0, min(n, 16))))
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) time() time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(r.take(8))))).UTC()
}

func (r *reader) text() string {
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(r.rest)) {
		r.short = true
		return ""
	}
	r.take(size)
	return r.take(int(n))
}
