package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hookferry/hookferry/internal/event"
)

// column is a statement parameter with one value for each row of a batch: an array that
// unnest turns into rows. pgx can send slices itself, but it allocates for each element,
// and a batch has about ten thousand elements.
type column interface {
	length() int
	// size estimates the size of all elements in bytes, without their lengths.
	size() int
	// append appends the length and the bytes of an element, in wire format.
	append(buf []byte, i int) []byte
}

type (
	ids       []event.ID
	times     []time.Time
	nullTimes []time.Time // a zero time is NULL
	texts     []string
	nullTexts []string // an empty text is NULL
	blobs     [][]byte // a nil slice is NULL
	shorts    []int16
	ints      []int32
	longs     []int64
)

func (c ids) length() int       { return len(c) }
func (c times) length() int     { return len(c) }
func (c nullTimes) length() int { return len(c) }
func (c texts) length() int     { return len(c) }
func (c nullTexts) length() int { return len(c) }
func (c blobs) length() int     { return len(c) }
func (c shorts) length() int    { return len(c) }
func (c ints) length() int      { return len(c) }
func (c longs) length() int     { return len(c) }

func (c ids) size() int       { return 16 * len(c) }
func (c times) size() int     { return 8 * len(c) }
func (c nullTimes) size() int { return 8 * len(c) }
func (c shorts) size() int    { return 2 * len(c) }
func (c ints) size() int      { return 4 * len(c) }
func (c longs) size() int     { return 8 * len(c) }
func (c texts) size() int     { return lengths(c) }
func (c nullTexts) size() int { return lengths(c) }
func (c blobs) size() int     { return lengths(c) }

func lengths[T string | []byte](list []T) (sum int) {
	for _, v := range list {
		sum += len(v)
	}
	return sum
}

var big = binary.BigEndian

func null(buf []byte) []byte { return big.AppendUint32(buf, 0xffffffff) }

func (c ids) append(buf []byte, i int) []byte {
	return append(big.AppendUint32(buf, 16), c[i][:]...)
}

// epoch is the time from which PostgreSQL counts microseconds.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func (c times) append(buf []byte, i int) []byte {
	return big.AppendUint64(big.AppendUint32(buf, 8), uint64(c[i].UnixMicro()-epoch))
}

func (c nullTimes) append(buf []byte, i int) []byte {
	if c[i].IsZero() {
		return null(buf)
	}
	return times(c).append(buf, i)
}

func (c texts) append(buf []byte, i int) []byte {
	return append(big.AppendUint32(buf, uint32(len(c[i]))), c[i]...)
}

func (c nullTexts) append(buf []byte, i int) []byte {
	if c[i] == "" {
		return null(buf)
	}
	return texts(c).append(buf, i)
}

func (c blobs) append(buf []byte, i int) []byte {
	if c[i] == nil {
		return null(buf)
	}
	return append(big.AppendUint32(buf, uint32(len(c[i]))), c[i]...)
}

func (c shorts) append(buf []byte, i int) []byte {
	return big.AppendUint16(big.AppendUint32(buf, 2), uint16(c[i]))
}

func (c ints) append(buf []byte, i int) []byte {
	return big.AppendUint32(big.AppendUint32(buf, 4), uint32(c[i]))
}

func (c longs) append(buf []byte, i int) []byte {
	return big.AppendUint64(big.AppendUint32(buf, 8), uint64(c[i]))
}

// columnCodec encodes columns, and leaves other values to pgx.
type columnCodec struct {
	pgtype.Codec
	element uint32
}

func (c columnCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(column); ok && format == pgtype.BinaryFormatCode {
		return columnPlan{c.element}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type columnPlan struct{ element uint32 }

func (p columnPlan) Encode(value any, buf []byte) ([]byte, error) {
	c := value.(column)
	n := c.length()
	if n == 0 {
		buf = big.AppendUint32(buf, 0)
		buf = big.AppendUint32(buf, 0)
		return big.AppendUint32(buf, p.element), nil
	}
	buf = slices.Grow(buf, 20+4*n+c.size()) // payloads are large: growing step by step would copy them several times
	buf = big.AppendUint32(buf, 1)          // dimensions
	buf = big.AppendUint32(buf, 1)          // may contain NULL
	buf = big.AppendUint32(buf, p.element)
	buf = big.AppendUint32(buf, uint32(n))
	buf = big.AppendUint32(buf, 1) // the first index
	for i := range n {
		buf = c.append(buf, i)
	}
	return buf, nil
}

// registerColumns makes a connection use columnCodec for arrays.
func registerColumns(m *pgtype.Map) {
	for _, c := range []struct {
		name    string
		array   uint32
		element uint32
	}{
		{"_uuid", pgtype.UUIDArrayOID, pgtype.UUIDOID},
		{"_timestamptz", pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID},
		{"_text", pgtype.TextArrayOID, pgtype.TextOID},
		{"_bytea", pgtype.ByteaArrayOID, pgtype.ByteaOID},
		{"_int2", pgtype.Int2ArrayOID, pgtype.Int2OID},
		{"_int4", pgtype.Int4ArrayOID, pgtype.Int4OID},
		{"_int8", pgtype.Int8ArrayOID, pgtype.Int8OID},
	} {
		element, _ := m.TypeForOID(c.element)
		m.RegisterType(&pgtype.Type{Name: c.name, OID: c.array, Codec: columnCodec{&pgtype.ArrayCodec{ElementType: element}, c.element}})
	}
}
