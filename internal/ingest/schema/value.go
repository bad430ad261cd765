package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// at returns an error about a place in the schema or the data.
func at(root, pointer, message string) error {
	return event.Invalid(root+event.Clip(pointer, maxPointer), message)
}

// maxPointer is how many bytes of a JSON pointer a message quotes.
const maxPointer = 256

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// eachChild calls visit for the members of an object, in the order of their names, or the entries
// of an array.
func eachChild(v any, pointer string, visit func(child any, pointer string) error) error {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := visit(v[name], pointer+"/"+pointerEscapes.Replace(name)); err != nil {
				return err
			}
		}
	case []any:
		for i, entry := range v {
			if err := visit(entry, pointer+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkData checks the limits of data. It makes a pointer only when it has found something, because
// most data is fine.
func checkData(v any, pointer string, depth int) error {
	if depth > MaxDataDepth {
		return at("data", pointer, fmt.Sprintf("is nested too deeply to be checked against the schema; at most %d levels are allowed", MaxDataDepth))
	}
	if isWithinLimits(v, MaxDataDepth-depth) {
		return nil
	}
	if problem := checkNumber(v); problem != "" {
		return at("data", pointer, problem)
	}
	return eachChild(v, pointer, func(child any, pointer string) error { return checkData(child, pointer, depth+1) })
}

func isWithinLimits(v any, depth int) bool {
	if depth < 0 || checkNumber(v) != "" {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			if !isWithinLimits(child, depth-1) {
				return false
			}
		}
	case []any:
		for _, child := range v {
			if !isWithinLimits(child, depth-1) {
				return false
			}
		}
	}
	return true
}

// depthOf returns how many arrays and objects are in each other.
func depthOf(v any) (deepest int) {
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			deepest = max(deepest, 1+depthOf(child))
		}
	case []any:
		for _, child := range v {
			deepest = max(deepest, 1+depthOf(child))
		}
	}
	return deepest
}

// checkNumber returns what is wrong with a value if it is a number, or "".
func checkNumber(v any) string {
	n, ok := v.(json.Number)
	if !ok {
		return ""
	}
	if len(n) > MaxNumber {
		return fmt.Sprintf("is a number of %d characters; at most %d are allowed where a schema applies", len(n), MaxNumber)
	}
	if i := strings.IndexAny(string(n), "eE"); i >= 0 {
		if exponent, err := strconv.Atoi(string(n[i+1:])); err != nil || exponent > MaxNumber || exponent < -MaxNumber {
			return fmt.Sprintf("is a number with the exponent %s; at most ±%d is allowed where a schema applies", event.Clip(string(n[i+1:]), event.MaxQuoted), MaxNumber)
		}
	}
	return ""
}

// checkNames returns an error if the text is not one JSON value, or an object has a name twice.
func checkNames(text []byte) error {
	d := jsontext.NewDecoder(bytesReader(text), jsontext.AllowInvalidUTF8(true)) // "\ud800" is valid JSON
	if err := d.SkipValue(); err != nil {
		return syntaxFault(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return event.Invalid("schema", "has more text after its JSON value")
	}
	return nil
}

func syntaxFault(err error) error {
	var fault *jsontext.SyntacticError
	switch {
	case errors.As(err, &fault) && errors.Is(err, jsontext.ErrDuplicateName):
		return at("schema", string(fault.JSONPointer), "is given twice")
	case errors.As(err, &fault):
		return at("schema", string(fault.JSONPointer), fmt.Sprintf("is not valid JSON: it breaks at byte %d: %v", fault.ByteOffset, fault.Err))
	}
	return event.Invalid("schema", "is not complete JSON")
}
