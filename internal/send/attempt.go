package send

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"hookferry/internal/event"
	"hookferry/internal/faultpoint"
)

// stage is how far an attempt has come.
type stage uint8

const (
	waiting    stage = iota // for a connection
	resolving               // the host's name
	connecting              // to peer
	handshaking
	sent      // to peer: a connection is there, and the request goes out on it
	answering // the first byte has come
)

// attempt watches one attempt on its way through net/http.
//
// Its methods are called by goroutines of the transport, some of them after Send
// has returned: a dial that its own request no longer needs goes on, and its
// connection is kept for a later one. That is why there is a lock, and why an
// attempt is never used again for another.
type attempt struct {
	parent    context.Context // ends when the process must stop
	ctx       context.Context // ends with the attempt's time as well
	began     time.Time
	limit     time.Duration // of the whole exchange
	dialLimit time.Duration
	proxied   bool // what is dialled is a proxy, and nobody's peer

	mu        sync.Mutex
	stage     stage
	peer      string
	reused    bool
	connected bool
	phase     struct{ dns, connect, tls, answer span }
}

// span is a phase; one that never began or never ended has no length.
type span struct{ from, to time.Time }

func (s span) length() time.Duration {
	if s.from.IsZero() {
		return 0
	}
	return max(0, s.to.Sub(s.from))
}

func newAttempt(parent context.Context, limit, dialLimit time.Duration) *attempt {
	return &attempt{parent: parent, began: time.Now(), limit: limit, dialLimit: dialLimit}
}

type attemptKey struct{}

// watch gives the context under which the request is made. The hooks of a dial
// are added in dial: most attempts have a kept-alive connection and need none.
func (a *attempt) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	a.ctx = ctx
	ctx = context.WithValue(ctx, attemptKey{}, a)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              a.getConn,
		TLSHandshakeStart:    a.tlsStart,
		TLSHandshakeDone:     a.tlsDone,
		GotConn:              a.gotConn,
		WroteRequest:         a.wroteRequest,
		GotFirstResponseByte: a.firstByte,
	}), cancel
}

// getConn comes first, and again when a kept-alive connection turned out to be
// dead and the transport takes another.
func (a *attempt) getConn(string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused = waiting, false
}

// step notes where a dial stands on the way to a connection, unless the attempt has
// one by now: then the dial is for others.
func (a *attempt) step(now stage, note func(at time.Time)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stage < sent {
		a.stage = max(a.stage, now)
		note(time.Now())
	}
}

func (a *attempt) tlsStart() {
	a.step(handshaking, func(at time.Time) { a.phase.tls = span{from: at} })
}

func (a *attempt) tlsDone(tls.ConnectionState, error) {
	a.step(handshaking, func(at time.Time) { a.phase.tls.to = at })
}

func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stage, a.reused = sent, info.Reused
	if c, ok := rawConn(info.Conn).(*conn); ok {
		a.peer = c.peer
	}
	a.phase.answer = span{from: time.Now()}
	faultpoint.Reach("send: connected")
}

func rawConn(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// wroteRequest may come after firstByte: a receiver can answer before it has read
// all, and the two are noted by different goroutines.
func (a *attempt) wroteRequest(httptrace.WroteRequestInfo) {
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

// report writes into the Outcome what was seen.
func (a *attempt) report(o *event.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.Peer = a.peer
	o.Phases.FirstByte = a.phase.answer.length()
	if !a.reused {
		o.Phases.DNS, o.Phases.Connect, o.Phases.TLS = a.phase.dns.length(), a.phase.connect.length(), a.phase.tls.length()
	}
	o.Duration = time.Since(a.began)
}
