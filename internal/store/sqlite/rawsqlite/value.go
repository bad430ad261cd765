package rawsqlite

import (
	"fmt"
	"unsafe"
)

// Value is what a parameter of a statement is bound to. The zero Value is NULL.
type Value struct {
	kind  kind
	int   int64
	float float64
	bytes string
}

type kind uint8

const (
	kindNull kind = iota
	kindInt
	kindFloat
	kindText
	kindBlob
)

// Int is an INTEGER.
func Int(n int64) Value { return Value{kind: kindInt, int: n} }

// Float is a REAL.
func Float(f float64) Value { return Value{kind: kindFloat, float: f} }

// Text is a TEXT.
func Text(s string) Value { return Value{kind: kindText, bytes: s} }

// TextOrNull is a TEXT, or NULL if s is empty.
func TextOrNull(s string) Value {
	if s == "" {
		return Value{}
	}
	return Text(s)
}

// Blob is a BLOB. A nil slice is an empty one, not NULL. b must not change until the statement
// has been run.
func Blob(b []byte) Value {
	return Value{kind: kindBlob, bytes: unsafe.String(unsafe.SliceData(b), len(b))}
}

// toValues turns values of Go's types into SQLite's. It panics on any other type.
func toValues(values []any) []Value {
	list := make([]Value, len(values))
	for i, v := range values {
		list[i] = toValue(v)
	}
	return list
}

func toValue(v any) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case Value:
		return v
	case int64:
		return Int(v)
	case int:
		return Int(int64(v))
	case bool:
		if v {
			return Int(1)
		}
		return Int(0)
	case float64:
		return Float(v)
	case string:
		return Text(v)
	case []byte:
		return Blob(v)
	}
	panic(fmt.Sprintf("a %T can't be bound", v))
}
