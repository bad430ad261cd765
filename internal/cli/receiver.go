package cli

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

// verdict is what a local receiver found out about a webhook's signature.
type verdict string

const (
	verified  verdict = "verified"
	wrong     verdict = "WRONG"
	unsigned  verdict = "none"
	unchecked verdict = "no secret given"
)

// arrival is one webhook as a local receiver got it. All text in it is a
// stranger's: it goes to a terminal through clean.
type arrival struct {
	at        time.Time
	method    string
	path      string // with its query
	id        string // webhook-id; "" if it has none
	eventType string // "" if the body does not say
	data      []byte // as it stands in the body; nil if the body is no event
	body      []byte
	verdict   verdict
	problem   string // what is wrong with the signature
}

// maxArrival is the largest body that a local receiver reads: the most that a
// service can be set to take.
const maxArrival = 32 << 20

var errArrivalTooLarge = fmt.Errorf("the body is longer than %d bytes", maxArrival)

// readArrival reads a request. With a verifier it checks the signature. An error
// means that the body could not be read.
func readArrival(r *http.Request, verifier *webhook.Verifier) (arrival, error) {
	a := arrival{at: time.Now(), method: r.Method, path: r.URL.RequestURI(), id: r.Header.Get(webhook.HeaderID)}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxArrival))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return a, errArrivalTooLarge
	}
	if err != nil {
		return a, fmt.Errorf("read the body: %w", err)
	}
	a.body = body
	a.judge(r.Header, verifier)
	var event struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &event) == nil {
		a.eventType, a.data = event.Event, event.Data
	}
	return a, nil
}

func (a *arrival) judge(h http.Header, verifier *webhook.Verifier) {
	if verifier == nil {
		a.verdict = unchecked
		return
	}
	switch err := verifier.Verify(h, a.body); {
	case err == nil:
		a.verdict = verified
	case errors.Is(err, webhook.ErrNoSignature):
		a.verdict = unsigned
	default:
		a.verdict, a.problem = wrong, err.Error()
	}
}

// maxIndented is how deep JSON may be nested to be shown indented. At ten thousand
// levels, twenty kilobytes would become a hundred megabytes of blanks.
const maxIndented = 32

// pretty is the body as it is shown: JSON indented, anything else as it came.
func (a arrival) pretty() string {
	var b bytes.Buffer
	if nesting(a.body) > maxIndented || json.Indent(&b, a.body, "", "  ") != nil {
		return string(a.body)
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
