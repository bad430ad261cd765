package match

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// scope is a place in a filter, and what is allowed there.
type scope struct {
	pointer string // to the value, RFC 6901
	depth   int
	top     bool   // at the top level, where only the parts of the event are allowed
	leaf    string // what the event has here, if that has no members; "" if it may have members
}

func (s scope) at(name string) scope {
	s.pointer += "/" + escapePointer(name)
	s.depth++
	return s
}

func (s scope) entry(i int) scope { return s.at(strconv.Itoa(i)) }

func (s scope) invalid(format string, args ...any) error {
	return invalid(s.pointer, fmt.Sprintf(format, args...))
}

// below returns the scope of a member, or an error if the event cannot have that member.
func (s scope) below(name string) (scope, error) {
	m := s.at(name)
	switch {
	case s.leaf == metadataLeaf:
		m.leaf = "a string"
		return m, nil
	case s.leaf != "":
		return m, m.invalid("is a path into %s, which has no members", s.leaf)
	case !s.top:
		return m, nil
	}
	m.top = false
	switch name {
	case "data":
	case "event", "tenant":
		m.leaf = "a string"
	case "channels":
		m.leaf = "an array of strings"
	case "metadata":
		m.leaf = metadataLeaf
	default:
		return m, m.invalid(`is not a part of an event; put it inside "event", "data", "metadata", "channels" or "tenant"`)
	}
	return m, nil
}

// metadataLeaf marks the object whose members are strings.
const metadataLeaf = "an object of strings"

func tooDeep(s scope) error {
	return s.invalid("is nested too deeply; at most %d levels are allowed", MaxDepth)
}

// maxPointer is how many bytes of a JSON pointer a message quotes.
const maxPointer = 256

func invalid(pointer, message string) error {
	return event.Invalid("filter"+event.Clip(pointer, maxPointer), message)
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a name for a JSON pointer.
func escapePointer(name string) string { return pointerEscapes.Replace(name) }

// syntaxError translates an error of parse. It quotes only names from the filter.
func syntaxError(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return invalid(string(syntax.JSONPointer), "is given twice")
	case errors.As(err, &syntax):
		return invalid(string(syntax.JSONPointer), fmt.Sprintf("is not valid JSON: there is an error at byte %d: %v", syntax.ByteOffset, syntax.Err))
	}
	return invalid("", "is not valid JSON: "+err.Error())
}
