package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// PublishInput is the body of a publish.
type PublishInput struct {
	Event          string            `json:"event" minLength:"1" maxLength:"256" doc:"The event type: letters, digits and _ - : / in segments joined by dots."`
	Data           any               `json:"data" doc:"Any JSON value. Endpoints get it byte for byte."`
	Tenant         string            `json:"tenant,omitempty" nullable:"true" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._-]+$" doc:"The tenant that the event is published to; absent or null: the tenant of the key, or default. It must exist."`
	Channels       []string          `json:"channels,omitempty" nullable:"true" maxItems:"10" doc:"A subscription with channels gets the event only if they share one."`
	Metadata       map[string]string `json:"metadata,omitempty" nullable:"true" maxProperties:"50" doc:"Your own data about the event, up to 4 KiB. It is never sent, but filters can use it."`
	DeliverAt      *time.Time        `json:"deliver_at,omitempty" nullable:"true" doc:"When to deliver it: up to LOG_RETENTION from now; absent or null: at once. It is matched when it is published."`
	SubscriptionID string            `json:"subscription_id,omitempty" nullable:"true" format:"uuid" doc:"The only subscription to deliver it to, if that matches; absent or null: all that match."`
	Retry          bool              `json:"retry,omitempty" nullable:"true" default:"true" doc:"Whether a failed attempt is retried."`
	IdempotencyKey string            `json:"idempotency_key,omitempty" nullable:"true" minLength:"1" maxLength:"255" doc:"Makes it safe to publish the same event again; the same as the header Idempotency-Key."`
}

// publishFields are the names of PublishInput in their order.
var publishFields = []string{"event", "data", "tenant", "channels", "metadata", "deliver_at", "subscription_id", "retry", "idempotency_key"}

// publishReader reads publications from a body. It reads the JSON once, and data keeps its bytes.
type publishReader struct {
	body []byte
	in   bytes.Buffer // over body; the decoder does not copy from it
	json *jsontext.Decoder
	api  *api
	most int // faults of one publication; those beyond are not collected
}

var publishReaders = sync.Pool{New: func() any { return &publishReader{json: new(jsontext.Decoder)} }}

// newPublishReader returns a reader of a body, which collects most faults of one publication. The
// caller calls free when it is done.
func (a *api) newPublishReader(body []byte, most int) (*publishReader, error) {
	if !utf8.Valid(body) {
		return nil, malformedBody("body", "it is not valid UTF-8")
	}
	p := publishReaders.Get().(*publishReader)
	p.api, p.most, p.body, p.in = a, most, body, *bytes.NewBuffer(body)
	p.json.Reset(&p.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // "\ud800" is valid JSON
	return p, nil
}

func (p *publishReader) free() {
	p.api, p.body, p.in = nil, nil, bytes.Buffer{}
	p.json.Reset(&p.in) // lets go of the body
	publishReaders.Put(p)
}

// single reads a body that is one publication. The error is a Problem or an *event.InvalidError.
func (p *publishReader) single() (event.Publication, error) {
	pub, faults, err := p.publication()
	if err == nil {
		err = p.end()
	}
	if err == nil && len(faults) > 0 {
		err = &event.InvalidError{Fields: inOrder(faults, &PublishInput{})}
	}
	return pub, err
}

// end fails if anything follows the JSON value.
func (p *publishReader) end() error {
	_, err := p.json.ReadToken()
	switch {
	case err == nil:
		return malformedBody("body", "there is more text after the JSON object; send one object in each request")
	case !errors.Is(err, io.EOF):
		return p.broken(err)
	}
	return nil
}

// broken says where the JSON is not valid. It does not quote the body.
func (p *publishReader) broken(err error) error {
	var syntax *jsontext.SyntacticError
	isCut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.As(err, &syntax) && isCut:
		return malformedBody(fieldName(syntax.JSONPointer), "the JSON ends before it is complete")
	case errors.As(err, &syntax):
		return malformedBody(fieldName(syntax.JSONPointer), fmt.Sprintf("the JSON breaks at byte %d: %v", syntax.ByteOffset, syntax.Err))
	case isCut:
		return malformedBody("body", "the JSON ends before it is complete")
	}
	return malformedBody("body", "the JSON can't be read")
}

// publication reads one JSON value as a publication, and returns everything that is wrong with it.
// The error is about JSON that is not valid.
func (p *publishReader) publication() (pub event.Publication, faults []event.FieldError, err error) {
	if kind := p.json.PeekKind(); kind != '{' {
		if err := p.json.SkipValue(); err != nil {
			return pub, nil, p.broken(err)
		}
		return pub, []event.FieldError{{Field: "body", Message: "must be a JSON object, found " + kindWords(kind)}}, nil
	}
	p.json.ReadToken() // can't fail after PeekKind
	var given uint     // a bit for each of publishFields
	for p.json.PeekKind() != '}' {
		name, err := p.name()
		if err != nil {
			return pub, nil, err
		}
		i := fieldNumber(name)
		if i < 0 {
			faults = p.unknown(string(name), publishFields, faults)
		}
		value, err := p.json.ReadValue()
		if err != nil {
			return pub, nil, p.broken(err)
		}
		switch {
		case i < 0:
		case given&(1<<i) != 0:
			faults = append(faults, event.FieldError{Field: publishFields[i], Message: "is given twice"})
		default:
			given |= 1 << i
			faults = p.set(&pub, publishFields[i], value, faults)
		}
		faults = faults[:min(len(faults), p.most)]
	}
	if _, err := p.json.ReadToken(); err != nil {
		return pub, nil, p.broken(err)
	}
	return pub, p.missing(&pub, faults), nil
}

// name reads the name of a member. The bytes are valid until the next read.
func (p *publishReader) name() ([]byte, error) {
	value, err := p.json.ReadValue()
	if err != nil {
		return nil, p.broken(err)
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	name, _ := jsontext.AppendUnquote(nil, value) // an unpaired surrogate becomes U+FFFD
	return name, nil
}

// unknown adds a fault about an unknown name. A body may have a million of them.
func (p *publishReader) unknown(name string, known []string, faults []event.FieldError) []event.FieldError {
	if len(faults) >= p.most {
		return faults
	}
	return append(faults, event.FieldError{Field: event.Clip(name, event.MaxQuoted), Message: unknownField(name, known)})
}

// fieldNumber returns the place of a name among publishFields, or -1.
func fieldNumber(name []byte) int {
	for i, known := range publishFields {
		if string(name) == known {
			return i
		}
	}
	return -1
}

// missing adds the fields that a publication needs and lacks.
func (p *publishReader) missing(pub *event.Publication, faults []event.FieldError) []event.FieldError {
	if len(faults) >= p.most {
		return faults
	}
	if pub.Type == "" && !isNamed(faults, "event") {
		faults = append(faults, event.FieldError{Field: "event", Message: `is missing; it is the event type, like "user.created"`})
	}
	if pub.Data == nil && !isNamed(faults, "data") {
		faults = append(faults, event.FieldError{Field: "data", Message: "is missing; it can be any JSON value"})
	}
	return faults
}

func isNamed(faults []event.FieldError, field string) bool {
	for _, f := range faults {
		if f.Field == field {
			return true
		}
	}
	return false
}

// set sets one field of a publication. null has the same meaning as an absent field, except as data.
func (p *publishReader) set(pub *event.Publication, name string, value jsontext.Value, faults []event.FieldError) []event.FieldError {
	if name == "data" {
		end := int(p.json.InputOffset())
		pub.Data = p.body[end-len(value) : end : end]
		return faults
	}
	if value.Kind() == 'n' {
		return faults
	}
	var problem string
	switch name {
	case "event":
		pub.Type, problem = checkedText(value, event.CheckEventType)
	case "tenant":
		pub.Tenant, problem = checkedText(value, event.CheckName)
	case "idempotency_key":
		pub.IdempotencyKey, problem = checkedText(value, checkIdempotencyKey)
	case "deliver_at":
		var text string
		if text, problem = checkedText(value, nil); problem == "" {
			pub.DeliverAt, problem = parseTime(text)
		}
	case "subscription_id":
		var text string
		if text, problem = checkedText(value, nil); problem == "" {
			pub.Subscription, problem = parseID(text)
		}
	case "retry":
		retry := true
		faults = decodeInto(&retry, name, value, faults)
		pub.SingleAttempt = !retry
	case "channels":
		faults = p.setChannels(pub, value, faults)
	case "metadata":
		faults = p.setMetadata(pub, value, faults)
	}
	if problem != "" {
		faults = append(faults, event.FieldError{Field: name, Message: problem})
	}
	return faults
}

func (p *publishReader) setChannels(pub *event.Publication, value jsontext.Value, faults []event.FieldError) []event.FieldError {
	n := len(faults)
	var channels []string // not a part of pub, which would then be moved to the heap
	if faults = decodeInto(&channels, "channels", value, faults); len(faults) == n {
		faults, _ = collect(faults, p.api.CheckChannels(channels))
	}
	pub.Channels = channels
	return faults
}

func (p *publishReader) setMetadata(pub *event.Publication, value jsontext.Value, faults []event.FieldError) []event.FieldError {
	n := len(faults)
	var metadata map[string]string
	if faults = decodeInto(&metadata, "metadata", value, faults); len(faults) == n {
		faults, _ = collect(faults, event.CheckMetadata(metadata))
	}
	pub.Metadata = metadata
	return faults
}

// decodeInto reads a value into the variable that into points to.
func decodeInto(into any, name string, value jsontext.Value, faults []event.FieldError) []event.FieldError {
	return append(faults, decodeField(name, value, reflect.ValueOf(into).Elem())...)
}

// checkedText returns a string, or what is wrong with it. The check, if there is one, sees the text.
func checkedText(value jsontext.Value, check func(string) string) (text, problem string) {
	if value.Kind() != '"' {
		return "", "must be a string, found " + kindWords(value.Kind())
	}
	raw := value[1 : len(value)-1]
	if text = string(raw); bytes.IndexByte(raw, '\\') >= 0 {
		var unescaped string
		if json.Unmarshal(value, &unescaped) != nil {
			return "", "has an unpaired surrogate, which is no character"
		}
		text = unescaped
	}
	if check != nil {
		problem = check(text)
	}
	return text, problem
}

func parseID(text string) (id event.ID, problem string) {
	id, err := event.ParseID(text)
	if err != nil {
		return id, notAnID(text)
	}
	return id, ""
}

// parseTime reads a time in the form of RFC 3339, which allows small letters.
func parseTime(text string) (at time.Time, problem string) {
	upper := strings.ToUpper(text)
	if len(text) > 64 || strings.Contains(text, ",") || at.UnmarshalText([]byte(upper)) != nil {
		problem = fmt.Sprintf("is %q; it must be a time in the form of RFC 3339 with a time zone, like 2027-01-05T08:00:00Z or 2027-01-05T09:00:00+01:00", event.Clip(text, event.MaxQuoted))
		if isLeapSecond(upper) {
			problem = fmt.Sprintf("is %q, a leap second, which clocks of computers do not have; send the second before or after it", text)
		}
		return time.Time{}, problem
	}
	return at, ""
}

// isLeapSecond reports whether a text would be a time if its second 60 were 59.
func isLeapSecond(text string) bool {
	const at = len("2006-01-02T15:04:")
	if len(text) < at+2 || text[at:at+2] != "60" {
		return false
	}
	var t time.Time
	return t.UnmarshalText([]byte(text[:at]+"59"+text[at+2:])) == nil
}
