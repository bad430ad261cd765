package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID is a UUIDv7 (RFC 9562). Its first 48 bits are the milliseconds since 1970, so ids sort by
// the time of their creation. So they serve as page cursors, are appended to an index instead of
// scattered over it, and tell retention the age of a row.
type ID [16]byte

// NewID returns a new id for the given time. The rest of the id comes from the operating
// system's random number generator, so one id can't be guessed from another.
func NewID(at time.Time) ID {
	var id ID
	rand.Read(id[6:]) // never fails: crypto/rand ends the program instead
	id.stamp(at)
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// DeliveryID returns the id of an event's delivery to a subscription. The id is derived from
// both, so the primary key ensures that an event has at most one delivery to a subscription.
// Bytes 0 to 7 are those of the event's id. The two bits of the UUID variant and the first 62
// bits of SHA-256(event id ‖ subscription id) follow. The result is a UUIDv7 of the event's
// millisecond.
func DeliveryID(event, subscription ID) ID {
	var both [32]byte
	copy(both[:16], event[:])
	copy(both[16:], subscription[:])
	sum := sha256.Sum256(both[:])
	id := event
	binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(sum[:8])>>2|1<<63)
	return id
}

// Deliveries returns the smallest and the largest id that a delivery of this event can have.
func (id ID) Deliveries() (first, last ID) {
	first, last = id, id
	binary.BigEndian.PutUint64(first[8:], 1<<63)
	binary.BigEndian.PutUint64(last[8:], 1<<63|1<<62-1)
	return first, last
}

// FloorID returns the smallest id of the given millisecond. Every id created before that
// millisecond is smaller, and every id created in it or later is not.
func FloorID(at time.Time) ID {
	var id ID
	id.stamp(at)
	return id
}

func (id *ID) stamp(at time.Time) {
	ms := uint64(max(at.UnixMilli(), 0)) // a time before 1970, such as the zero time, counts as 1970
	binary.BigEndian.PutUint16(id[0:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:6], uint32(ms))
}

// ParseID parses the 36-character form, in upper or lower case. It accepts no other form (no
// braces, no "urn:uuid:"), so that an id is spelled the same everywhere.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("%w: an id looks like 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", ErrBadID)
	}
	var digits [32]byte
	n := copy(digits[:], s[0:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:36])
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ID{}, fmt.Errorf("%w: it contains a character that is not a hexadecimal digit", ErrBadID)
	}
	return id, nil
}

// String returns the 36-character lower-case form.
func (id ID) String() string {
	var b [36]byte
	text, _ := id.AppendText(b[:0])
	return string(text)
}

// AppendText appends the 36-character form. It never fails.
func (id ID) AppendText(b []byte) ([]byte, error) {
	b = hex.AppendEncode(b, id[0:4])
	b = hex.AppendEncode(append(b, '-'), id[4:6])
	b = hex.AppendEncode(append(b, '-'), id[6:8])
	b = hex.AppendEncode(append(b, '-'), id[8:10])
	return hex.AppendEncode(append(b, '-'), id[10:16]), nil
}

// Time returns when the id was created, to the millisecond.
func (id ID) Time() time.Time {
	ms := uint64(binary.BigEndian.Uint16(id[0:2]))<<32 | uint64(binary.BigEndian.Uint32(id[2:6]))
	return time.UnixMilli(int64(ms))
}

// IsZero reports whether the id is the zero id.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText returns the 36-character form, which JSON uses.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText parses the 36-character form.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
