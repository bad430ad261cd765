package send

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// nameServers connects net.Resolver to the name servers. The resolver chooses the server, sends
// the query and checks the answer. nameServers decides how long to wait for it.
type nameServers struct {
	dialer net.Dialer

	mu     sync.Mutex
	heard  map[string]time.Time // when each server last responded
	silent map[string]time.Time // until when hasty questions skip each server
}

// silentFor is how long hasty questions skip a server that did not respond.
const silentFor = 30 * time.Second

// errNoSuchName has the message of package net.
var errNoSuchName = errors.New("no such host")

// newLookups returns lookups that use the system's configuration.
func newLookups() *lookups {
	s := &nameServers{heard: make(map[string]time.Time), silent: make(map[string]time.Time)}
	// There are two resolvers because a resolver merges concurrent calls for one name, and the
	// two kinds of calls do not wait equally long. If Go uses the system's own resolver, dial is
	// not called.
	return &lookups{first: &net.Resolver{Dial: s.dial}, whole: &net.Resolver{Dial: s.dial}}
}

func (s *nameServers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	q, ok := ctx.Value(questionKey{}).(*question)
	if !ok { // the call that began the lookup has ended, but others that were merged wait for it
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

func (s *nameServers) markResponsive(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[server] = time.Now()
	delete(s.silent, server)
}

// markSilent records that a server has not answered a query sent at the given time. A server
// that has answered others since is not silent: some ignore only queries for IPv6 addresses.
func (s *nameServers) markSilent(server string, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[server].Before(asked) {
		s.silent[server] = time.Now().Add(silentFor)
	}
}

// stream is a TCP connection to a name server.
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

// inquiry is one query over UDP. net.Resolver sets a deadline, writes once, and reads until it
// receives a valid answer.
type inquiry struct {
	*net.UDPConn
	servers  *nameServers
	server   string
	question *question
	pair     *pair // of the question, guarded by its lock
	id       [2]byte
	asked    time.Time
	until    time.Time // when its turn ends
}

func (i *inquiry) SetDeadline(t time.Time) error {
	i.until = earlier(t, time.Now().Add(i.question.turn))
	return i.UDPConn.SetDeadline(i.until)
}

// limit makes reading end at t, or earlier if the turn ends earlier.
func (i *inquiry) limit(t time.Time) { i.UDPConn.SetReadDeadline(earlier(t, i.until)) }

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
			i.servers.markSilent(i.server, i.asked)
		}
		return n, i.question.timeoutError(i)
	}
	if err == nil {
		i.inspect(b[:n])
	}
	return n, err
}

// inspect reads the header of a received message (RFC 1035, section 4.1.1). net.Resolver decides
// whether it is a valid answer. Here it only limits how long the query for the other family
// waits.
func (i *inquiry) inspect(answer []byte) {
	const isAnswer, isCut, noError, noName = 0x80, 0x02, 0, 3
	if len(answer) < 12 || [2]byte(answer[:2]) != i.id || answer[2]&isAnswer == 0 {
		return
	}
	i.servers.markResponsive(i.server)
	records := answer[6] != 0 || answer[7] != 0
	switch code := answer[3] & 0xf; {
	case code == noName:
		i.question.answered(i, true)
	case code == noError && records && answer[2]&isCut == 0:
		i.question.answered(i, false)
	}
}

func (i *inquiry) Close() error {
	i.question.end(i)
	return i.UDPConn.Close()
}
