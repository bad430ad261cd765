// Package schema checks the data of events against JSON Schemas. It is pure: it reads no file and
// makes no request, so a reference to another document is an error of Compile.
//
// The dialect is JSON Schema 2020-12, or the older one that "$schema" names. "format" and
// "contentEncoding" are annotations and check nothing. Regular expressions are RE2 (Go's regexp).
// If an object in the data has a name twice, the last one counts, as in filters.
//
// # Limits
//
// Compile limits the size of a schema; see the constants. Validate limits its own work, counted
// without a clock (MaxSteps and StepsPerByte: about half a second, and more for large data), because
// a schema can take a time that is exponential in the depth of the data. It refuses data that is
// nested more than MaxDataDepth deep, and numbers whose text or exponent is very long, because they
// are compared as exact fractions. Both apply only to types that have a schema.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hookferry/hookferry/internal/event"
)

// The limits of a schema. Compile refuses a schema that exceeds one, and names the limit.
const (
	MaxSchemas      = 3000 // objects and booleans; compiling takes a time that is quadratic in their number
	MaxDepth        = 64   // objects and arrays in each other
	MaxRegexpWeight = 5000 // instructions of all regular expressions together
)

// The limits of data.
const (
	MaxSteps     = 500_000
	StepsPerByte = 2 // more steps for each byte of data
	MaxDataDepth = 100
	MaxNumber    = 400 // characters of a number, and its exponent, positive or negative
)

// whySteps divided by the depth of the data is how many steps may be spent on finding out what is
// wrong. Each place that does not fit takes memory in proportion to its depth.
const whySteps = 4_000_000

// Schema is a compiled schema. Any number of goroutines may use it.
type Schema struct {
	document any
	// free has compiled copies that no goroutine uses. A copy counts the steps of one validation at
	// a time.
	free chan *instance
}

// maxFree is how many copies are kept. More are made when more goroutines validate at once.
const maxFree = 4

// instance is one compiled copy.
type instance struct {
	root  *jsonschema.Schema
	check *jsonschema.Schema // fits what root does not fit, and is faster because it finds no places
	steps int                // left for the validation under way
}

// Compile compiles a schema. The error is an *event.InvalidError about the first thing that is
// wrong. The field is "schema" followed by a JSON pointer into it (RFC 6901).
func Compile(text []byte) (*Schema, error) {
	if len(text) > event.MaxSchemaBytes {
		return nil, event.Invalid("schema", fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), event.MaxSchemaBytes))
	}
	document, err := parseSchema(text)
	if err != nil {
		return nil, err
	}
	first, err := newInstance(document)
	if err != nil {
		return nil, compileFault(document, err)
	}
	s := &Schema{document: document, free: make(chan *instance, maxFree)}
	s.free <- first
	return s, nil
}

// Validate checks data, which must be valid JSON. The error is an *event.InvalidError. Its fields
// are "data" followed by a JSON pointer into it, ordered by that pointer.
func (s *Schema) Validate(data []byte) error {
	var value any
	if err := unmarshal(data, &value); err != nil {
		return event.Invalid("data", "can't be read: "+err.Error())
	}
	if err := checkData(value, "", 0); err != nil {
		return err
	}
	i, err := s.take()
	if err != nil {
		return event.Invalid("data", "can't be checked, because the schema can't be compiled: "+err.Error())
	}
	defer s.put(i)
	return i.validate(value, len(data))
}

func (s *Schema) take() (*instance, error) {
	select {
	case i := <-s.free:
		return i, nil
	default:
		return newInstance(s.document)
	}
}

func (s *Schema) put(i *instance) {
	select {
	case s.free <- i:
	default:
	}
}

func (i *instance) validate(value any, size int) error {
	limit := MaxSteps + StepsPerByte*size
	misfit, err := i.run(i.check, value, limit)
	switch {
	case errors.Is(err, errTooMuch):
		return event.Invalid("data", fmt.Sprintf("would take more than %d steps to check against the schema", limit))
	case err != nil:
		return event.Invalid("data", "can't be checked against the schema: "+event.Clip(err.Error(), maxWords))
	case misfit != nil: // of what root does not fit
		return nil
	}
	misfit, err = i.run(i.root, value, whySteps/(depthOf(value)+8))
	if err != nil || misfit == nil {
		return event.Invalid("data", "does not fit the schema; it would take too long to find out where")
	}
	return dataFault(misfit)
}

// run validates a value, and returns what does not fit. It recovers from panics: that is how
// counting ends a validation, and a fault of the library must not end the process.
func (i *instance) run(s *jsonschema.Schema, value any, steps int) (misfit *jsonschema.ValidationError, err error) {
	defer func() {
		if r := recover(); r != nil {
			misfit, err = nil, asError(r)
		}
	}()
	i.steps = steps
	err = s.Validate(value)
	if errors.As(err, &misfit) {
		return misfit, nil
	}
	return nil, err
}

func asError(recovered any) error {
	if err, ok := recovered.(error); ok {
		return err
	}
	return fmt.Errorf("%v", recovered)
}

func unmarshal(text []byte, into *any) error {
	d := json.NewDecoder(bytesReader(text))
	d.UseNumber()
	return d.Decode(into)
}
