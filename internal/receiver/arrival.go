package receiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

// Verdict is the result of checking a webhook's signature.
type Verdict string

// The verdicts.
const (
	Verified  Verdict = "verified"
	Wrong     Verdict = "WRONG"
	Unsigned  Verdict = "none"
	Unchecked Verdict = "no secret given"
)

// Arrival is one webhook that arrived. None of its text is trusted: print it only through
// terminal.Clean.
type Arrival struct {
	At        time.Time
	Method    string
	Path      string // including the query
	ID        string // webhook-id; "" if there is none
	EventType string // "" if the body does not name it
	Data      []byte // as in the body; nil if the body is not an event
	Body      []byte
	Verdict   Verdict
	Problem   string // what is wrong with the signature
}

// maxArrival is the largest body that is read: the largest that a service can be configured to
// accept.
const maxArrival = 32 << 20

// ErrTooLarge is the error for a body that is larger than any service sends.
var ErrTooLarge = fmt.Errorf("the body is longer than %d bytes", maxArrival)

// Read reads a request, and checks its signature if verifier is not nil. It fails if the body can't
// be read.
func Read(r *http.Request, verifier *webhook.Verifier) (Arrival, error) {
	a := Arrival{At: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), ID: r.Header.Get(webhook.HeaderID)}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxArrival))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return a, ErrTooLarge
	}
	if err != nil {
		return a, fmt.Errorf("read the body: %w", err)
	}
	a.Body = body
	a.judge(r.Header, verifier)
	var event struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &event) == nil {
		a.EventType, a.Data = event.Event, event.Data
	}
	return a, nil
}

func (a *Arrival) judge(h http.Header, verifier *webhook.Verifier) {
	if verifier == nil {
		a.Verdict = Unchecked
		return
	}
	switch err := verifier.Verify(h, a.Body); {
	case err == nil:
		a.Verdict = Verified
	case errors.Is(err, webhook.ErrNoSignature):
		a.Verdict = Unsigned
	default:
		a.Verdict, a.Problem = Wrong, err.Error()
	}
}

// maxIndented is the deepest nesting of JSON that is shown indented. With ten thousand levels,
// twenty kilobytes would become a hundred megabytes of spaces.
const maxIndented = 32

// pretty returns the body for people: JSON indented, anything else unchanged.
func (a Arrival) pretty() string {
	var b bytes.Buffer
	if nesting(a.Body) > maxIndented || json.Indent(&b, a.Body, "", "  ") != nil {
		return string(a.Body)
	}
	return b.String()
}

// nesting returns the depth of the brackets. It also counts those in strings, so at worst it leaves
// an unusual body unindented.
func nesting(body []byte) (deepest int) {
	depth := 0
	for _, c := range body {
		switch c {
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}
