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

// envelope is the result of readEnvelope.
type envelope struct {
	eventType       string
	dataAt, dataLen int // position and length of the value of data in the body, in bytes
}

// data returns the value of data in the body.
func (e *envelope) data(body []byte) []byte { return body[e.dataAt : e.dataAt+e.dataLen] }

// readEnvelope checks that a body is one JSON object with the members "event", a
// string, and "data", any value. It returns the event type and the position of data.
//
// The body is delivered unchanged, so readEnvelope does not decode "data", which may be
// any valid JSON (RFC 8259), including duplicate names and numbers of any size. It
// refuses duplicates in the outer object, because an endpoint might read another one
// than Hookferry has matched.
func readEnvelope(body []byte) (envelope, error) {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return envelope{}, fmt.Errorf(`%w: the body is empty; send {"event": "user.created", "data": {…}}`, event.ErrMalformed)
	}
	if !utf8.Valid(body) {
		return envelope{}, fmt.Errorf("%w: the body is not valid UTF-8", event.ErrMalformed)
	}
	d := decoders.Get().(*decoder)
	defer d.free()
	d.in.Reset(body)
	d.json.Reset(&d.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // "\ud800" is valid JSON
	return d.envelope(body)
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

func (d *decoder) envelope(body []byte) (e envelope, err error) {
	if d.json.PeekKind() != '{' {
		if _, err := d.json.ReadToken(); err != nil {
			return envelope{}, malformed(err)
		}
		return envelope{}, event.Invalid("body", `must be a JSON object like {"event": "user.created", "data": {…}}`)
	}
	d.json.ReadToken() // can't fail after PeekKind
	var hasEvent, hasData bool
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return envelope{}, malformed(err)
		}
		switch name := name.String(); {
		case name == "event" && !hasEvent:
			hasEvent = true
			e.eventType, err = d.eventType()
		case name == "data" && !hasData:
			hasData = true
			e.dataAt, e.dataLen, err = d.data(body)
		case name == "event" || name == "data":
			err = event.Invalid(name, "is given twice")
		default:
			err = event.Invalid(event.Clip(name, event.MaxQuoted), `is not allowed beside "event" and "data"; put it inside "data"`)
		}
		if err != nil {
			return envelope{}, err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return envelope{}, malformed(err)
	}
	if _, err := d.json.ReadToken(); err == nil {
		return envelope{}, fmt.Errorf("%w: there is more text after the JSON object; send one object in each request", event.ErrMalformed)
	} else if !errors.Is(err, io.EOF) {
		return envelope{}, malformed(err)
	}
	return e, required(hasEvent, hasData)
}

// data skips the value after a name and returns its position and size.
func (d *decoder) data(body []byte) (at, size int, err error) {
	from := int(d.json.InputOffset())
	if err := d.skip(); err != nil {
		return 0, 0, err
	}
	end := int(d.json.InputOffset())
	at = end - len(bytes.TrimLeft(body[from:end], ": \t\r\n"))
	return at, end - at, nil
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
		missing.Fields = append(missing.Fields, event.FieldError{Field: "event", Message: `is missing; it is the event type, like "user.created"`})
	}
	if !hasData {
		missing.Fields = append(missing.Fields, event.FieldError{Field: "data", Message: "is missing; it can be any JSON value"})
	}
	if len(missing.Fields) > 0 {
		return &missing
	}
	return nil
}

// malformed says where the JSON is invalid. It does not quote the body.
func malformed(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the JSON ends before it is complete", event.ErrMalformed)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: the JSON is invalid at byte %d: %v", event.ErrMalformed, syntax.ByteOffset, syntax.Err)
	}
	return fmt.Errorf("%w: the JSON can't be read", event.ErrMalformed)
}
