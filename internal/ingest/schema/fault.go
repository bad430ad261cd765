package schema

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// maxFaults is how many places a message names.
	maxFaults = 8
	// maxWords is how many bytes of the library's words a message quotes. They may contain values.
	maxWords = 200
)

// fault is one thing that is wrong, at one place.
type fault struct{ pointer, keyword, words string }

// dataFault translates the error of a validation.
func dataFault(invalid *jsonschema.ValidationError) error {
	e := &event.InvalidError{}
	for _, f := range faultsOf(invalid) {
		e.Fields = append(e.Fields, event.FieldError{
			Field:   "data" + event.Clip(f.pointer, maxPointer),
			Message: fmt.Sprintf("does not fit the schema: %s (schema%s)", f.words, event.Clip(f.keyword, maxPointer)),
		})
	}
	return e
}

// faultsOf returns the first faults, ordered by their places. The library finds them in the order of
// a map.
func faultsOf(e *jsonschema.ValidationError) []fault {
	var all []fault
	collectFaults(e, func(leaf *jsonschema.ValidationError) {
		all = append(all, faultOf(leaf))
	})
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.pointer, b.pointer), cmp.Compare(a.keyword, b.keyword), cmp.Compare(a.words, b.words))
	})
	all = slices.Compact(all)
	return all[:min(len(all), maxFaults)]
}

// collectFaults visits the errors that say something by themselves. Of alternatives, it is the fact
// that none fits.
func collectFaults(e *jsonschema.ValidationError, visit func(*jsonschema.ValidationError)) {
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, cause := range e.Causes {
			collectFaults(cause, visit)
		}
		if len(e.Causes) > 0 {
			return
		}
	}
	visit(e)
}

func faultOf(e *jsonschema.ValidationError) fault {
	f := fault{pointer: pointerOf(e.InstanceLocation), keyword: fragmentOf(e.SchemaURL)}
	if e.ErrorKind == nil {
		f.words = "it is not valid"
		return f
	}
	f.keyword += pointerOf(e.ErrorKind.KeywordPath())
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		f.words = "none of the alternatives of anyOf fits"
	case *kind.OneOf:
		f.words = "none of the alternatives of oneOf fits"
		if len(k.Subschemas) > 1 {
			f.words = fmt.Sprintf("the alternatives %d and %d of oneOf fit, and only one may", k.Subschemas[0], k.Subschemas[1])
		}
	case *kind.Not:
		f.words, f.keyword = "it fits what not forbids", f.keyword+"/not"
	case *kind.FalseSchema:
		f.words = "no value is allowed here"
	case *kind.Pattern:
		f.words = fmt.Sprintf("%q does not match the pattern %q", event.Clip(k.Got, event.MaxQuoted), event.Clip(k.Want, event.MaxQuoted))
	default:
		f.words = event.Clip(k.LocalizedString(message.NewPrinter(language.English)), maxWords)
	}
	return f
}

func pointerOf(path []string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + pointerEscapes.Replace(name))
	}
	return b.String()
}

// fragmentOf returns the JSON pointer at the end of the library's location of a schema.
func fragmentOf(location string) string {
	_, fragment, _ := strings.Cut(location, "#")
	if unescaped, err := url.PathUnescape(fragment); err == nil {
		return unescaped
	}
	return fragment
}

// compileFault translates the error of the compiler.
func compileFault(document any, err error) error {
	var meta *jsonschema.SchemaValidationError
	var invalid *jsonschema.ValidationError
	var load *jsonschema.LoadURLError
	switch {
	case errors.As(err, &meta) && errors.As(meta.Err, &invalid):
		f := faultsOf(invalid)[0]
		return at("schema", fragmentOf(meta.URL)+f.pointer, "is not valid in a JSON Schema: "+f.words)
	case errors.As(err, &load):
		return at("schema", placeOf(document, load.URL, ""), fmt.Sprintf("refers to %s, and other documents are never fetched; put what it needs below $defs", event.Clip(load.URL, maxWords)))
	}
	return event.Invalid("schema", "can't be used: "+event.Clip(strings.ReplaceAll(err.Error(), location, ""), maxWords))
}

// placeOf returns the pointer to the first text in the document that may have led to an address, or
// "".
func placeOf(v any, address, pointer string) string {
	found := ""
	_ = eachChild(v, pointer, func(child any, pointer string) error {
		if text, ok := child.(string); ok && found == "" {
			if before, _, _ := strings.Cut(text, "#"); before != "" && strings.HasSuffix(address, strings.TrimLeft(before, "./")) && isReference(pointer) {
				found = pointer
			}
		}
		if found == "" {
			found = placeOf(child, address, pointer)
		}
		return nil
	})
	return found
}

// isReference reports whether a pointer ends in the name of a keyword that refers to a document.
func isReference(pointer string) bool {
	last := pointer[strings.LastIndexByte(pointer, '/')+1:]
	return slices.Contains([]string{"$ref", "$dynamicRef", "$recursiveRef", "$schema"}, last)
}
