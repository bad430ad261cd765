package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"hookferry/internal/event"
)

// entryVersion begins every entry. A node that reads a version that it does not know
// leaves the delivery to the database.
const entryVersion = 1

// maxEntry bounds the payload of what goes through Redis, in bytes: larger ones are
// read from the database by whoever delivers them.
const maxEntry = 64 << 10

var errNoEntry = errors.New("this is not an entry of the ready stream that this version understands")

// encode writes a delivery that was just stored, for the stream: what its row holds,
// its event, and how much of its lease is left.
func encode(c event.Claimed, left time.Duration) []byte {
	d, e := &c.Delivery, &c.Event
	b := make([]byte, 0, 80+len(d.LeaseOwner)+len(e.Type)+len(e.ContentType)+len(e.Payload))
	b = append(b, entryVersion)
	b = append(b, d.ID[:]...)
	b = append(b, e.ID[:]...)
	b = append(b, d.SubscriptionID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(d.CreatedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, uint32(max(left, 0).Milliseconds()))
	for _, text := range []string{d.LeaseOwner, e.Type, e.ContentType} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return append(b, e.Payload...)
}

// decode reads it again. The lease's end is left to the caller, who knows the time.
func decode(text string) (c event.Claimed, left time.Duration, err error) {
	r := reader{rest: text}
	if version := r.take(1); version != string(rune(entryVersion)) {
		return event.Claimed{}, 0, errNoEntry
	}
	d, e := &c.Delivery, &c.Event
	copy(d.ID[:], r.take(len(d.ID)))
	copy(e.ID[:], r.take(len(e.ID)))
	copy(d.SubscriptionID[:], r.take(len(d.SubscriptionID)))
	at := r.take(8)
	ms := r.take(4)
	d.LeaseOwner, e.Type, e.ContentType = r.text(), r.text(), r.text()
	if r.short {
		return event.Claimed{}, 0, fmt.Errorf("%w: it is cut short", errNoEntry)
	}
	d.CreatedAt = time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(at)))).UTC()
	d.EventID, d.DueAt, e.CreatedAt = e.ID, d.CreatedAt, d.CreatedAt
	e.Payload = []byte(r.rest)
	return c, time.Duration(binary.BigEndian.Uint32([]byte(ms))) * time.Millisecond, nil
}

// reader takes an entry apart.
type reader struct {
	rest  string
	short bool // more was wanted than there is
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

func (r *reader) text() string {
	n, size := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(r.rest)) {
		r.short = true
		return ""
	}
	r.take(size)
	return r.take(int(n))
}
