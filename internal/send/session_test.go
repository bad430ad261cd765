package send

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// closing is an https endpoint that closes the connection after each response, and records whether
// each connection has resumed a session.
type closing struct {
	*httptest.Server
	resumed chan bool
}

func closingEndpoint(t *testing.T, config *tls.Config) closing {
	t.Helper()
	e := closing{resumed: make(chan bool, 100)}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.resumed <- r.TLS.DidResume
		w.Header().Set("Connection", "close")
	}))
	e.Config.ErrorLog = quiet
	e.TLS = config
	e.StartTLS()
	t.Cleanup(e.Close)
	return e
}

// sendTo makes one attempt and returns whether it resumed a session.
func (e closing) sendTo(t *testing.T, s *Sender) bool {
	t.Helper()
	if o := s.Send(t.Context(), subscription(e.URL), event.Claimed{Event: someEvent()}); !o.Success() {
		t.Fatal(o.Error)
	}
	return <-e.resumed
}

func trusting(t *testing.T, a *authority) *Sender {
	t.Helper()
	s := New(Options{UserAgent: "Hookferry/test", Guard: allowLoopback(), Roots: a.pool})
	t.Cleanup(s.Close)
	return s
}

func TestTLSSessionsAreResumed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		e := closingEndpoint(t, &tls.Config{Certificates: []tls.Certificate{a.sign(t, leaf())}, MaxVersion: version})
		s := trusting(t, a)
		for i, want := range []bool{false, true, true} {
			if got := e.sendTo(t, s); got != want {
				t.Errorf("%s: connection %d resumed a session: %v", tls.VersionName(version), i+1, got)
			}
		}
	}
}

// A session must not be offered to another port of the same host, which may be a different
// endpoint.
func TestTLSSessionsAreKeptApart(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var key [32]byte // the two endpoints could resume each other's sessions
	config := func() *tls.Config {
		c := &tls.Config{Certificates: []tls.Certificate{a.sign(t, leaf())}}
		c.SetSessionTicketKeys([][32]byte{key})
		return c
	}
	one, two := closingEndpoint(t, config()), closingEndpoint(t, config())
	s := trusting(t, a)
	one.sendTo(t, s)
	if two.sendTo(t, s) {
		t.Error("a session of one port was resumed at another")
	}
	if !one.sendTo(t, s) || !two.sendTo(t, s) {
		t.Error("no session was resumed at its own port")
	}
}

// A session that was established with other trusted roots must not be resumed, neither by another
// Sender nor by this one.
func TestTLSSessionsEndWithTheirRoots(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	e := closingEndpoint(t, &tls.Config{Certificates: []tls.Certificate{a.sign(t, leaf())}})
	s := trusting(t, a)
	e.sendTo(t, s)
	if !e.sendTo(t, s) {
		t.Error("no session was resumed while the roots were the same")
	}
	s.tls.RootCAs = other.pool
	for reason, sender := range map[string]*Sender{"whose roots were changed": s, "with other roots": trusting(t, other)} {
		o := sender.Send(t.Context(), subscription(e.URL), event.Claimed{Event: someEvent()})
		if o.Code != event.CodeTLSUntrusted {
			t.Errorf("a sender %s: got %s: %q", reason, o.Code, o.Error)
		}
	}
}

// After a failed handshake the next one does not resume a session.
func TestAFailedHandshakeForgetsItsSession(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var fails atomic.Bool
	e := closingEndpoint(t, &tls.Config{
		Certificates: []tls.Certificate{a.sign(t, leaf())},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if fails.Load() {
				return nil, errors.New("a fault of the endpoint")
			}
			return nil, nil
		},
	})
	s := trusting(t, a)
	e.sendTo(t, s)
	fails.Store(true)
	if o := s.Send(t.Context(), subscription(e.URL), event.Claimed{Event: someEvent()}); o.Code != event.CodeTLS {
		t.Fatalf("got %s: %q", o.Code, o.Error)
	}
	fails.Store(false)
	if e.sendTo(t, s) {
		t.Error("the session was kept")
	}
}

func TestTLSSessionsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	place := func(i int) session { return session{all: s.sessions, origin: fmt.Sprintf("https://%d.example:443", i)} }
	for i := range maxSessions + 10 {
		place(i).Put("", &tls.ClientSessionState{})
	}
	kept := 0
	for i := range maxSessions + 10 {
		if _, found := place(i).Get(""); found {
			kept++
		}
	}
	if kept != maxSessions {
		t.Errorf("%d sessions are kept, want %d", kept, maxSessions)
	}
}
