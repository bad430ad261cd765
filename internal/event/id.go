package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID is a UUIDv7 (RFC 9562): its first 48 bits are the milliseconds since 1970,
// so ids sort by the time they were made, which is what makes them page cursors,
// keys that append to an index instead of scattering over it, and the measure of
// retention.
type ID [16]byte

// NewID makes an id for the given time. The rest of it is random, from the
// operating system's generator: ids can't be guessed from one another.
func NewID(at time.Time) ID {
	var id ID
	rand.Read(id[6:]) // never fails: crypto/rand ends the program instead
	id.stamp(at)
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// DeliveryID returns the id of an event's delivery to a subscription. It is derived, so
// that an event has at most one delivery to a subscription, by primary key: bytes 0 to 7 are
// the event's, and after the two bits of the variant come the first 62 bits of
// SHA-256(event id ‖ subscription id). It is a UUIDv7 of the event's millisecond.
func DeliveryID(event, subscription ID) ID {
	var both [32]byte
	copy(both[:16], event[:])
	copy(both[16:], subscription[:])
	sum := sha256.Sum256(both[:])
	id := event
	binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(sum[:8])>>2|1<<63)
	return id
}

// Deliveries returns the smallest and the largest id that DeliveryID gives a delivery of
// this event.
func (id ID) Deliveries() (first, last ID) {
	first, last = id, id
	binary.BigEndian.PutUint64(first[8:], 1<<63)
	binary.BigEndian.PutUint64(last[8:], 1<<63|1<<62-1)
	return first, last
}

// FloorID is the smallest id of that millisecond: every id made before it is
// smaller, every id made at or after it is not.
func FloorID(at time.Time) ID {
	var id ID
	id.stamp(at)
	return id
}

func (id *ID) stamp(at time.Time) {
	ms := uint64(max(at.UnixMilli(), 0)) // what is before 1970, a time that was never set too, counts as 1970
	binary.BigEndian.PutUint16(id[0:2], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:6], uint32(ms))
}

// ParseID reads the 36-character form, in either case. It takes no other form
// (no braces, no "urn:uuid:"), so that an id has one spelling everywhere.
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
		return ID{}, fmt.Errorf("%w: it holds a character that is not a hexadecimal digit", ErrBadID)
	}
	return id, nil
}

// String is the 36-character lower-case form.
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

// Time is when the id was made, to the millisecond.
func (id ID) Time() time.Time {
	ms := uint64(binary.BigEndian.Uint16(id[0:2]))<<32 | uint64(binary.BigEndian.Uint32(id[2:6]))
	return time.UnixMilli(int64(ms))
}

// IsZero reports whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText and UnmarshalText give ids their 36-character form in JSON.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText is the reverse of MarshalText.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
