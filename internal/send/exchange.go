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
	// oneWrite is the size in bytes up to which a request is written with one call. That much
	// fits into the system's buffer of any connection, whether the endpoint reads or not.
	oneWrite = 16 << 10

	// lateWrite is how long the rest of a request may take if the response came before it was
	// written. If the endpoint reads all of the request, writing has ended by then.
	lateWrite = 50 * time.Millisecond
)

var errEarly = errors.New("a response came before the request was sent")

// exchange is one request and its response. It is reused, so that an attempt allocates little
// and an idle connection has no buffers.
type exchange struct {
	head   []byte      // the request's header, and its payload too if that is small
	rest   []byte      // the payload if it is not in head
	signed http.Header // the fields of the signature
	from   net.Conn
	in     *bufio.Reader // reads from the connection, within these bounds:

	left     int // how many bytes may still be read
	deadline time.Time
	patience patience
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

// prepare builds the request in head and rest. problem says why it can't be built.
func (x *exchange) prepare(t *target, c *event.Claimed, at time.Time) (problem string) {
	ev := &c.Event
	b := append(x.head[:0], t.head...)
	body := ev.Payload
	if t.source.Body == event.BodyData {
		if body = ev.Data(); body == nil {
			return "the event's payload has no data"
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

// These headers describe the event if the body is its data alone.
const (
	headerEvent   = "webhook-event"   // the event's type
	headerAttempt = "webhook-attempt" // the number of the attempt, 1 for the first
)

// The header names of Standard Webhooks, spelled as in the standard. HTTP ignores letter case,
// but some endpoints do not.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// signedFields are the fields of the signature: the name as it is sent, and the key that package
// webhook uses for it.
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

// exchange makes the exchange over an idle connection or a new one. An endpoint may close an
// idle connection just when a request is sent on it. If no byte of a response was received, the
// request is sent once more on a new connection. An endpoint that received both can tell by
// webhook-id that they are the same.
func (s *Sender) exchange(a *attempt, t *target, x *exchange, o *event.Outcome) error {
	if c := s.pool.take(t.origin); c != nil && !c.begin(a.parent, a.deadline) {
		c.drop()
	} else if c != nil {
		a.use(c, true)
		err := s.exchangeOn(c, a, x, o)
		if err == nil || !a.mayRepeat(err) {
			return err
		}
		a.retryConnection()
	}
	c, err := s.open(a, t)
	if err != nil {
		return err
	}
	a.use(c, false)
	c.begin(a.parent, a.deadline)
	return s.exchangeOn(c, a, x, o)
}

// exchangeOn makes the exchange over a connection, then puts it into the pool or closes it.
func (s *Sender) exchangeOn(c *conn, a *attempt, x *exchange, o *event.Outcome) error {
	whole, err := x.run(c, a, o)
	if whole && a.parent.Err() == nil {
		s.pool.put(c)
	} else {
		c.drop()
	}
	return err
}

// run writes the request and reads the response. whole reports whether both went over the
// connection completely, and nothing else did.
func (x *exchange) run(c *conn, a *attempt, o *event.Outcome) (whole bool, err error) {
	x.from, x.left = c, maxHeaderSize
	x.in.Reset(x)
	if len(x.rest) == 0 {
		unwritten := x.write(c, a)
		whole, err = x.read(a, o)
		if err != nil && unwritten != nil {
			err = unwritten
		}
		return whole && unwritten == nil, err
	}
	// The endpoint may respond without reading the request, and then writing may block.
	written := make(chan error, 1)
	go func() { written <- x.write(c, a) }()
	whole, err = x.read(a, o)
	if err != nil {
		c.abort()
	} else {
		c.SetWriteDeadline(time.Now().Add(lateWrite))
	}
	if unwritten := <-written; unwritten != nil {
		whole = false
	}
	return whole, err
}

func (x *exchange) write(c *conn, a *attempt) error {
	_, err := c.Write(x.head)
	if err == nil && len(x.rest) > 0 {
		_, err = c.Write(x.rest)
	}
	if err == nil {
		a.wroteRequest()
	}
	return err
}

// mayRepeat reports whether a request that failed on an idle connection may be sent again.
func (a *attempt) mayRepeat(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stage == sent && !isTimeout(err) && a.parent.Err() == nil
}

// wroteRequest may be called after firstByte, because an endpoint can respond before it has
// read the whole request.
func (a *attempt) wroteRequest() {
	faultpoint.Reach("send: written")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage == sent {
		a.phase.response.from = time.Now()
	}
}

func (a *attempt) firstByte() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage = receiving
	a.phase.response.to = time.Now()
}
