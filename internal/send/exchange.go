package send

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/webhook"
)

const (
	// oneWrite is the size in bytes up to which a request is written at once: so much
	// goes into the system's buffer of any connection, whether the receiver reads or not.
	oneWrite = 16 << 10

	// lastWords is how long the end of a request may take that was answered before it
	// was written. A receiver that has read all has let it end long before.
	lastWords = 50 * time.Millisecond
)

var errEarly = errors.New("a response came before the request was sent")

// exchange is one request and the reading of its answer. It is used again for others,
// so that an attempt allocates little, and an idle connection holds no buffers.
type exchange struct {
	head   []byte      // the request's header, and its payload too if that is small
	rest   []byte      // the payload that is not
	signed http.Header // the fields of the signature
	from   net.Conn
	in     *bufio.Reader // reads from, within these bounds:

	left     int // how many bytes may still be read
	deadline time.Time
	hurry    hurry
	header   header
	limited  io.LimitedReader
}

var exchanges = sync.Pool{New: func() any {
	x := &exchange{signed: make(http.Header, 4)}
	x.in = bufio.NewReader(x)
	return x
}}

func (x *exchange) free() {
	x.rest, x.from = nil, nil
	exchanges.Put(x)
}

// prepare writes the request, or says why it can't.
func (x *exchange) prepare(t *target, c *event.Claimed, at time.Time) (problem string) {
	ev := &c.Event
	b := append(x.head[:0], t.head...)
	body := ev.Payload
	if t.of.Body == event.BodyData {
		if body = ev.Data(); body == nil {
			return "the event's payload holds no data"
		}
		b = appendField(b, headerEvent, ev.Type)
		b = appendField(b, headerAttempt, strconv.Itoa(c.Delivery.Attempts+1))
	}
	contentType := ev.ContentType
	switch {
	case contentType == "":
		contentType = jsonType
	case !validValue(contentType):
		return "the event's content type " + quote(contentType) + " can't be sent as a header"
	}
	b = appendField(b, "Content-Type", contentType)
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	if t.signer == nil {
		b = appendField(b, headerID, ev.ID.String())
		b = appendField(b, headerTimestamp, strconv.FormatInt(at.Unix(), 10))
	} else {
		clear(x.signed)
		if err := t.signer.SignHeader(x.signed, ev.ID.String(), at, body); err != nil {
			return "the event can't be signed: " + err.Error()
		}
		for _, f := range signedFields {
			b = appendField(b, f.name, x.signed[f.key][0])
		}
	}
	b = append(b, "\r\n"...)
	x.rest = body
	if len(b)+len(x.rest) <= oneWrite {
		b, x.rest = append(b, x.rest...), nil
	}
	x.head = b
	return ""
}

// What a request says of its event if its body does not.
const (
	headerEvent   = "webhook-event"   // the event's type
	headerAttempt = "webhook-attempt" // the number of the attempt, 1 for the first
)

// The standard's names, spelled as the standard spells them. HTTP does not care about
// case, but some endpoints do.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// signedFields are the fields of the signature: the name as it goes out, and the key
// that package webhook has for it.
var signedFields = []struct{ name, key string }{
	{headerID, webhook.HeaderID},
	{headerTimestamp, webhook.HeaderTimestamp},
	{headerSignature, webhook.HeaderSignature},
	{webhook.HeaderHubSignature, webhook.HeaderHubSignature},
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// exchange makes the exchange over a connection that was kept, or over a new one. A
// receiver may close a kept one at the moment when a request goes out on it: when no
// byte of an answer came, the request goes out once more, on a new one. A receiver
// that did see both knows them by webhook-id.
func (s *Sender) exchange(a *attempt, t *target, x *exchange, o *event.Outcome) error {
	if w := s.pool.take(t.to); w != nil && !w.begin(a.parent, a.deadline) {
		w.drop()
	} else if w != nil {
		a.use(w, true)
		err := s.over(w, a, x, o)
		if err == nil || !a.mayRepeat(err) {
			return err
		}
		a.waitAgain()
	}
	w, err := s.open(a, t)
	if err != nil {
		return err
	}
	a.use(w, false)
	w.begin(a.parent, a.deadline)
	return s.over(w, a, x, o)
}

// over makes the exchange over this connection, and keeps it or closes it.
func (s *Sender) over(w *wire, a *attempt, x *exchange, o *event.Outcome) error {
	whole, err := x.run(w, a, o)
	if whole && a.parent.Err() == nil {
		s.pool.put(w)
	} else {
		w.drop()
	}
	return err
}

// run writes the request and reads the answer. whole means that all of both went
// over the connection, and nothing besides.
func (x *exchange) run(w *wire, a *attempt, o *event.Outcome) (whole bool, err error) {
	x.from, x.left = w, maxHeaderSize
	x.in.Reset(x)
	if len(x.rest) == 0 {
		unwritten := x.write(w, a)
		whole, err = x.read(a, o)
		if err != nil && unwritten != nil {
			err = unwritten
		}
		return whole && unwritten == nil, err
	}
	// A receiver may answer without reading what is more than the buffers hold.
	written := make(chan error, 1)
	go func() { written <- x.write(w, a) }()
	whole, err = x.read(a, o)
	if err != nil {
		w.breakOff()
	} else {
		w.SetWriteDeadline(time.Now().Add(lastWords))
	}
	if unwritten := <-written; unwritten != nil {
		whole = false
	}
	return whole, err
}

func (x *exchange) write(w *wire, a *attempt) error {
	_, err := w.Write(x.head)
	if err == nil && len(x.rest) > 0 {
		_, err = w.Write(x.rest)
	}
	if err == nil {
		a.wroteRequest()
	}
	return err
}

// mayRepeat reports whether a request may go out again that failed on a kept
// connection.
func (a *attempt) mayRepeat(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stage == sent && !isTimeout(err) && a.parent.Err() == nil
}

// wroteRequest may come after firstByte: a receiver can answer before it has read all.
func (a *attempt) wroteRequest() {
	faultpoint.Reach("send: written")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage == sent {
		a.phase.answer.from = time.Now()
	}
}

func (a *attempt) firstByte() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage = answering
	a.phase.answer.to = time.Now()
}
