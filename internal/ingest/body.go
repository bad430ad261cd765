package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// readEventType checks that a body is one JSON object with the members "event", a
// string, and "data", any value, and returns the event type.
//
// The body is delivered as it is, so nothing is decoded further: "data" may hold
// whatever is valid JSON (RFC 8259), duplicate names and numbers of any size
// included. In the outer object a duplicate is refused: a receiver might read the
// other one than was matched here.
func readEventType(body []byte) (string, error) {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return "", fmt.Errorf(`%w: the body is empty; send {"event": "user.created", "data": {…}}`, event.ErrMalformed)
	}
	if !utf8.Valid(body) {
		return "", fmt.Errorf("%w: the body is not valid UTF-8", event.ErrMalformed)
	}
	d := decoders.Get().(*decoder)
	defer d.free()
	d.in.Reset(body)
	d.json.Reset(&d.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // "\ud800" is valid JSON
	return d.envelope()
}

type decoder struct {
	in   bytes.Reader
	json *jsontext.Decoder
}

var decoders = sync.Pool{New: func() any { return &decoder{json: new(jsontext.Decoder)} }}

func (d *decoder) free() {
	d.in.Reset(nil)
	decoders.Put(d)
}

func (d *decoder) envelope() (string, error) {
	if d.json.PeekKind() != '{' {
		if _, err := d.json.ReadToken(); err != nil {
			return "", malformed(err)
		}
		return "", event.Invalid("body", `must be a JSON object like {"event": "user.created", "data": {…}}`)
	}
	d.json.ReadToken() // cannot fail after PeekKind
	var eventType string
	var hasEvent, hasData bool
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return "", malformed(err)
		}
		switch name := name.String(); {
		case name == "event" && !hasEvent:
			hasEvent = true
			eventType, err = d.eventType()
		case name == "data" && !hasData:
			hasData = true
			err = d.skip()
		case name == "event" || name == "data":
			err = event.Invalid(name, "is given twice")
		default:
			err = event.Invalid(event.Clip(name, event.MaxQuoted), `is not known; only "event" and "data" are, so put it inside "data"`)
		}
		if err != nil {
			return "", err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return "", malformed(err)
	}
	if _, err := d.json.ReadToken(); err == nil {
		return "", fmt.Errorf("%w: there is more after the JSON object; send one object a request", event.ErrMalformed)
	} else if !errors.Is(err, io.EOF) {
		return "", malformed(err)
	}
	return eventType, required(hasEvent, hasData)
}

func (d *decoder) eventType() (string, error) {
	kind := d.json.PeekKind()
	if kind != '"' {
		if err := d.skip(); err != nil {
			return "", err
		}
		return "", event.Invalid("event", `must be a string like "user.created"`)
	}
	token, err := d.json.ReadToken()
	if err != nil {
		return "", malformed(err)
	}
	eventType := token.String()
	if problem := event.CheckEventType(eventType); problem != "" {
		return "", event.Invalid("event", problem)
	}
	return eventType, nil
}

func (d *decoder) skip() error {
	if err := d.json.SkipValue(); err != nil {
		return malformed(err)
	}
	return nil
}

func required(hasEvent, hasData bool) error {
	var missing event.InvalidError
	if !hasEvent {
		missing.Fields = append(missing.Fields, event.FieldError{Field: "event", Message: `is missing; name the event type, like "user.created"`})
	}
	if !hasData {
		missing.Fields = append(missing.Fields, event.FieldError{Field: "data", Message: "is missing; it may be any JSON value"})
	}
	if len(missing.Fields) > 0 {
		return &missing
	}
	return nil
}

// malformed says where the JSON breaks, without repeating what stands there.
func malformed(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the JSON ends before it is complete", event.ErrMalformed)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: the JSON breaks at byte %d: %v", event.ErrMalformed, syntax.ByteOffset, syntax.Err)
	}
	return fmt.Errorf("%w: the JSON can't be read", event.ErrMalformed)
}
