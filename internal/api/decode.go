package api

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// decode reads a body, a JSON object, into the struct that into points to.
//
// It is strict and reports all wrong fields at once: unknown names, duplicate names, and wrong
// types. A field that is absent or null keeps its value in the struct, which is its default.
// Whether a value is allowed is checked later.
func decode(body []byte, into any) error {
	m, err := parse(body)
	if err != nil {
		return err
	}
	if faults := m.fillIn(into); len(faults) > 0 {
		return &event.InvalidError{Fields: inOrder(faults, into)}
	}
	return nil
}

// parse splits a JSON object into its members.
func parse(body []byte) (members, error) {
	var m members
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, bodyFault(body, err)
	}
	if m == nil { // the body is null
		return nil, event.Invalid("body", "must be a JSON object, found null")
	}
	return m, nil
}

// fillIn reads the members into the struct that into points to, and returns the fields that it
// can't read, in the order of their names.
func (m members) fillIn(into any) (faults []event.FieldError) {
	known := fieldsByName(into)
	names := sortedNames(known)
	for _, name := range slices.Sorted(maps.Keys(m)) { // the same body gets the same response
		value := m[name]
		field, found := known[name]
		if !found {
			fault := event.FieldError{Field: event.Clip(name, event.MaxQuoted)}
			if len(faults) < maxFieldProblems { // the response shows no more
				fault.Message = unknownField(name, names)
			}
			faults = append(faults, fault)
			continue
		}
		faults = append(faults, decodeField(name, value, field)...)
	}
	return faults
}

// bodyFault says why a body is not an object with unique names.
func bodyFault(body []byte, err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case !errors.As(err, &syntax):
		return event.Invalid("body", "must be a JSON object, found "+kindWords(jsontext.Value(body).Kind()))
	case errors.Is(err, jsontext.ErrDuplicateName):
		return event.Invalid(fieldName(syntax.JSONPointer), "is given twice")
	}
	return malformedBody(fieldName(syntax.JSONPointer), fmt.Sprintf("the JSON is invalid at byte %d: %v", syntax.ByteOffset, syntax.Err))
}

// decodeField reads the value of a field. A struct is read like a body.
func decodeField(name string, value jsontext.Value, into reflect.Value) []event.FieldError {
	if value.Kind() == 'n' {
		return nil
	}
	if into.Kind() == reflect.Struct && value.Kind() == '{' {
		return decodeStruct(name, value, into)
	}
	err := json.Unmarshal(value, into.Addr().Interface())
	if err == nil {
		err = nullWithin(value, into)
	}
	if err == nil {
		return nil
	}
	fault := event.FieldError{Field: name, Message: "can't be read"}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if semantic.JSONPointer != "" {
			fault.Field = fieldName(jsontext.Pointer("/" + name + string(semantic.JSONPointer)))
		}
		fault.Message = typeWords(semantic.GoType, semantic.JSONKind)
	}
	return []event.FieldError{fault}
}

func decodeStruct(name string, value jsontext.Value, into reflect.Value) []event.FieldError {
	m, err := parse(value)
	if err != nil { // the whole body was parsed before
		return []event.FieldError{{Field: name, Message: "can't be read"}}
	}
	faults := m.fillIn(into.Addr().Interface())
	for i := range faults {
		faults[i].Field = name + "." + faults[i].Field
	}
	return inOrder(faults, into.Addr().Interface())
}

// nullWithin refuses null as an element of a list or object, unless the elements are pointers: the
// decoder would turn it into an empty string or a zero.
func nullWithin(value jsontext.Value, into reflect.Value) error {
	if k := into.Kind(); k != reflect.Slice && k != reflect.Map || into.Type().Elem().Kind() == reflect.Pointer {
		return nil
	}
	if into.Type().Elem().Kind() == reflect.Uint8 { // any JSON, which is kept as it is
		return nil
	}
	d := jsontext.NewDecoder(strings.NewReader(string(value)))
	for {
		token, err := d.ReadToken()
		if err != nil { // the end: the value was parsed before
			return nil
		}
		if token.Kind() == 'n' {
			return &json.SemanticError{JSONPointer: d.StackPointer(), JSONKind: 'n', GoType: into.Type().Elem()}
		}
	}
}

// typeWords says which JSON type a value must have.
func typeWords(want reflect.Type, found jsontext.Kind) string {
	must := "have another type"
	if want != nil {
		for want.Kind() == reflect.Pointer {
			want = want.Elem()
		}
		switch want.Kind() {
		case reflect.String:
			must = "be a string"
		case reflect.Bool:
			must = "be true or false"
		case reflect.Int:
			must = "be an integer that fits in 64 bits"
		case reflect.Float64:
			must = "be a number that fits in a 64-bit float"
		case reflect.Slice:
			must = "be a list"
		case reflect.Map, reflect.Struct:
			must = "be an object"
		}
	}
	return "must " + must + ", found " + kindWords(found)
}

func kindWords(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "a list"
	case '{':
		return "an object"
	}
	return "another type"
}

// fieldName writes a JSON pointer in the form that callers know: /event_types/2 becomes
// event_types[2]. It stops at two levels, which is as deep as the fields go.
func fieldName(p jsontext.Pointer) string {
	var name string
	level := 0
	for token := range p.Tokens() {
		token = event.Clip(token, event.MaxQuoted)
		switch _, err := strconv.ParseUint(token, 10, 31); {
		case level == 0:
			name = token
		case err == nil:
			name += "[" + token + "]"
		default:
			name += "." + token
		}
		if level++; level == 2 {
			break
		}
	}
	if name == "" {
		return "body"
	}
	return name
}

// fieldsByName returns the settable fields of the struct that v points to.
func fieldsByName(v any) map[string]reflect.Value {
	s := reflect.ValueOf(v).Elem()
	fields := map[string]reflect.Value{}
	for _, f := range reflect.VisibleFields(s.Type()) {
		if name := jsonName(f); name != "" {
			fields[name] = s.FieldByIndex(f.Index)
		}
	}
	return fields
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// inOrder sorts faults by the position of their fields in the struct that v points to, which is the
// order of the documentation. Unknown names follow in alphabetical order. Faults of the same field
// keep their order.
func inOrder(faults []event.FieldError, v any) []event.FieldError {
	place := map[string]int{}
	for i, f := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
		if name := jsonName(f); name != "" {
			place[name] = i
		}
	}
	return slices.SortedStableFunc(slices.Values(faults), func(a, b event.FieldError) int {
		i, aKnown := place[rootOf(a.Field)]
		j, bKnown := place[rootOf(b.Field)]
		switch {
		case aKnown && bKnown:
			return cmp.Compare(i, j)
		case aKnown:
			return -1
		case bKnown:
			return 1
		}
		return cmp.Compare(a.Field, b.Field)
	})
}

// rootOf returns the top-level field of a field's name: headers for headers.X-Team, filter for
// filter/data/amount.
func rootOf(field string) string {
	if i := strings.IndexAny(field, ".[/"); i >= 0 {
		return field[:i]
	}
	return field
}

func sortedNames(fields map[string]reflect.Value) []string {
	var list []string
	for name := range fields {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
