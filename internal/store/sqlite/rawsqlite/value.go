package rawsqlite

import (
	"fmt"
	"unsafe"
)

// Value is the value of a statement's parameter. The zero Value is NULL.
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

// Int returns an INTEGER.
func Int(n int64) Value { return Value{kind: kindInt, int: n} }

// Float returns a REAL.
func Float(f float64) Value { return Value{kind: kindFloat, float: f} }

// Text returns a TEXT.
func Text(s string) Value { return Value{kind: kindText, bytes: s} }

// TextOrNull returns a TEXT, or NULL if s is empty.
func TextOrNull(s string) Value {
	if s == "" {
		return Value{}
	}
	return Text(s)
}

// Blob returns a BLOB. A nil slice is an empty BLOB, not NULL. b must not change until the
// statement has run.
func Blob(b []byte) Value {
	return Value{kind: kindBlob, bytes: unsafe.String(unsafe.SliceData(b), len(b))}
}

// toValues converts values of Go's types. It panics if a type is not supported.
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
	panic(fmt.Sprintf("a %T can't be the value of a parameter", v))
}
