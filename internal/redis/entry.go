package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The first byte of an entry is its version. A node that reads an unknown version leaves the
// delivery to the database. An event of the default tenant that may be attempted again has
// version 1, which release 0.1.0 reads too; version 2 adds the tenant and the flags. So while nodes
// of 0.1.0 run, workers must be upgraded first for other events to go through Redis.
const (
	plainVersion  = 1
	tenantVersion = 2
)

// The flags of an entry.
const singleAttempt = 1

// maxEntry is the largest payload that goes through Redis, in bytes. Deliveries with larger ones
// go through the database.
const maxEntry = 64 << 10

var errNoEntry = errors.New("not an entry that this release understands")

// encode encodes a delivery that was just stored: its row, its event, and when it was sent. sent
// and LeasedUntil are times of Redis's clock.
func encode(c event.Claimed, sent time.Time) []byte {
	d, e := &c.Delivery, &c.Event
	b := make([]byte, 0, 96+len(d.LeaseOwner)+len(e.Type)+len(e.ContentType)+len(e.Payload))
	version := versionOf(e)
	b = append(b, version)
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
	if version == tenantVersion {
		b = binary.AppendUvarint(b, uint64(e.TenantNo))
		b = append(b, flagsOf(e))
	}
	return append(b, e.Payload...)
}

func versionOf(e *event.Event) byte {
	if e.TenantNo == event.DefaultTenantNo && !e.SingleAttempt {
		return plainVersion
	}
	return tenantVersion
}

func flagsOf(e *event.Event) byte {
	if e.SingleAttempt {
		return singleAttempt
	}
	return 0
}

// decode decodes an entry that encode has written.
func decode(text string) (c event.Claimed, sent time.Time, err error) {
	r := reader{rest: text}
	version := r.byte()
	if version != plainVersion && version != tenantVersion {
		return event.Claimed{}, time.Time{}, errNoEntry
	}
	d, e := &c.Delivery, &c.Event
	copy(d.ID[:], r.take(len(d.ID)))
	copy(e.ID[:], r.take(len(e.ID)))
	copy(d.SubscriptionID[:], r.take(len(d.SubscriptionID)))
	d.CreatedAt, d.LeasedUntil, sent = r.time(), r.time(), r.time()
	d.LeaseOwner, e.Type, e.ContentType = r.text(), r.text(), r.text()
	if version == tenantVersion {
		e.TenantNo = int64(r.uvarint())
		e.SingleAttempt = r.byte()&singleAttempt != 0
	}
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

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.short = true
		return 0
	}
	r.take(size)
	return n
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.short = true
		return ""
	}
	return r.take(int(n))
}
