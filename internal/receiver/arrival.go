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

// Verdict is what a local receiver found out about a webhook's signature.
type Verdict string

// The verdicts.
const (
	Verified  Verdict = "verified"
	Wrong     Verdict = "WRONG"
	Unsigned  Verdict = "none"
	Unchecked Verdict = "no secret given"
)

// Arrival is one webhook as a local receiver got it. All text in it is a
// stranger's: it goes to a terminal through terminal.Clean.
type Arrival struct {
	At        time.Time
	Method    string
	Path      string // with its query
	ID        string // webhook-id; "" if it has none
	EventType string // "" if the body does not say
	Data      []byte // as it stands in the body; nil if the body is no event
	Body      []byte
	Verdict   Verdict
	Problem   string // what is wrong with the signature
}

// maxArrival is the largest body that a local receiver reads: the most that a
// service can be set to take.
const maxArrival = 32 << 20

// ErrTooLarge is the error about a body that is longer than any service sends.
var ErrTooLarge = fmt.Errorf("the body is longer than %d bytes", maxArrival)

// Read reads a request. With a verifier it checks the signature. An error
// means that the body could not be read.
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

// maxIndented is how deep JSON may be nested to be shown indented. At ten thousand
// levels, twenty kilobytes would become a hundred megabytes of blanks.
const maxIndented = 32

// pretty is the body as it is shown: JSON indented, anything else as it came.
func (a Arrival) pretty() string {
	var b bytes.Buffer
	if nesting(a.Body) > maxIndented || json.Indent(&b, a.Body, "", "  ") != nil {
		return string(a.Body)
	}
	return b.String()
}

// nesting is how deep the brackets go. It counts those within strings too, which
// at worst leaves a strange body as it came.
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
