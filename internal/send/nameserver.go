package send

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// nameServers is the way to the name servers, for net.Resolver. The resolver chooses whom
// to ask, speaks with it and judges what comes back; here is decided for how long.
type nameServers struct {
	dialer net.Dialer

	mu     sync.Mutex
	heard  map[string]time.Time // when a server last said anything
	silent map[string]time.Time // until when a server is not asked in haste
}

// silentFor is how long a server that was silent is not asked in haste.
const silentFor = 30 * time.Second

// errNoSuchName has the words of package net.
var errNoSuchName = errors.New("no such host")

// newLookups looks names up as the system does.
func newLookups() *lookups {
	s := &nameServers{heard: make(map[string]time.Time), silent: make(map[string]time.Time)}
	// Two, because calls for one name are joined, and their patience differs. On systems
	// whose own resolver is used instead of Go's, dial is not called.
	return &lookups{first: &net.Resolver{Dial: s.dial}, whole: &net.Resolver{Dial: s.dial}}
}

func (s *nameServers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	q, ok := ctx.Value(questionKey{}).(*question)
	if !ok { // whose question it was has given up, and others have joined it
		return s.dialer.DialContext(ctx, network, address)
	}
	if q.hasty && s.isSilent(address) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
	}
	dialling, cancel := context.WithTimeout(ctx, q.turn)
	defer cancel()
	c, err := s.dialer.DialContext(dialling, network, address)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &inquiry{UDPConn: udp, servers: s, server: address, question: q}, nil
	}
	return &stream{c, q.turn}, nil
}

func (s *nameServers) isSilent(server string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.silent[server])
}

func (s *nameServers) speaks(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[server] = time.Now()
	delete(s.silent, server)
}

// isQuiet notes that a server has not answered what it was asked at that time. One that
// answers other questions is not silent: some pass over those for IPv6 alone.
func (s *nameServers) isQuiet(server string, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[server].Before(asked) {
		s.silent[server] = time.Now().Add(silentFor)
	}
}

// stream is a connection to a name server by TCP.
type stream struct {
	net.Conn
	turn time.Duration
}

func (s *stream) SetDeadline(t time.Time) error {
	return s.Conn.SetDeadline(earlier(t, time.Now().Add(s.turn)))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// inquiry is one query by UDP. net.Resolver sets a deadline, writes once, and reads until
// something has come that it takes for the answer.
type inquiry struct {
	*net.UDPConn
	servers  *nameServers
	server   string
	question *question
	pair     *pair // of the question, guarded by its lock
	id       [2]byte
	asked    time.Time
	until    time.Time // when its turn is over
}

func (i *inquiry) SetDeadline(t time.Time) error {
	i.until = earlier(t, time.Now().Add(i.question.turn))
	return i.UDPConn.SetDeadline(i.until)
}

// hurry lets it read until then at most.
func (i *inquiry) hurry(t time.Time) { i.UDPConn.SetReadDeadline(earlier(t, i.until)) }

func (i *inquiry) Write(query []byte) (int, error) {
	i.asked = time.Now()
	copy(i.id[:], query)
	i.question.begin(i, nameIn(query))
	return i.UDPConn.Write(query)
}

func (i *inquiry) Read(b []byte) (int, error) {
	n, err := i.UDPConn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if !time.Now().Before(i.until) {
			i.servers.isQuiet(i.server, i.asked)
		}
		return n, i.question.giveUp(i)
	}
	if err == nil {
		i.look(b[:n])
	}
	return n, err
}

// look looks at the header of what has come (RFC 1035, section 4.1.1). Whether it is the
// answer at all is for net.Resolver to say: here it only makes the other question less urgent.
func (i *inquiry) look(answer []byte) {
	const isAnswer, isCut, noError, noName = 0x80, 0x02, 0, 3
	if len(answer) < 12 || [2]byte(answer[:2]) != i.id || answer[2]&isAnswer == 0 {
		return
	}
	i.servers.speaks(i.server)
	records := answer[6] != 0 || answer[7] != 0
	switch code := answer[3] & 0xf; {
	case code == noName:
		i.question.hear(i, true)
	case code == noError && records && answer[2]&isCut == 0:
		i.question.hear(i, false)
	}
}

func (i *inquiry) Close() error {
	i.question.end(i)
	return i.UDPConn.Close()
}
