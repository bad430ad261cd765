package send

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// If the endpoint has closed an idle connection, or has sent something on it, that must be noticed
// before a request is sent.
func TestUnusableConnectionsAreNotReused(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(net.Conn){
		"closed":  func(c net.Conn) { c.Close() },
		"reset":   func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		"unasked": func(c net.Conn) { io.WriteString(c, okResponse); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			idle := make(chan struct{})
			r := receive(t, func(c net.Conn) {
				defer c.Close()
				if request(c) != nil {
					requests.Add(1)
					io.WriteString(c, okResponse)
					<-idle
					after(c)
				}
			})
			s, sub := newSender(t), subscription(r.url())
			s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
			kept := s.pool.idle["http://"+r.addr][0]
			close(idle)
			await.NoError(t, func() error {
				if kept.isUsable(time.Now()) {
					return errors.New("the connection still looks usable")
				}
				return nil
			})
			if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() {
				t.Errorf("%s: %s", o.Code, o.Error)
			}
			if requests.Load() != 2 || r.connections() != 2 {
				t.Errorf("%d requests on %d connections, want 2 on 2", requests.Load(), r.connections())
			}
		})
	}
}

// A payload larger than the system's buffers is written while waiting for the response.
func TestResponseBeforeALargePayloadIsRead(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]int{"small": 1 << 10, "about one write": oneWrite, "large": 32 << 20} {
		r := receive(t, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 100))
			io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
			<-t.Context().Done()
		})
		s := New(Options{Guard: allowLoopback(), Timeout: patientTimeout})
		ev := someEvent()
		ev.Payload = []byte(strings.Repeat("1", payload))
		if o := s.Send(t.Context(), subscription(r.url()), event.Claimed{Event: ev}); o.StatusCode != 413 {
			t.Errorf("%s: %s: %s", name, o.Code, o.Error)
		}
		s.Close()
	}
}

func TestALargePayloadArrivesWholeAndKeepsItsConnection(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	r := receive(t, func(c net.Conn) {
		for {
			req := request(c)
			if req == nil {
				return
			}
			got.Add(req.ContentLength)
			io.WriteString(c, okResponse)
		}
	})
	s, sub, ev := newSender(t), subscription(r.url()), someEvent()
	ev.Payload = []byte(strings.Repeat("1", 4<<20))
	for range 3 {
		if o := s.Send(t.Context(), sub, event.Claimed{Event: ev}); !o.Success() {
			t.Errorf("%s: %s", o.Code, o.Error)
		}
	}
	if got.Load() != 3*4<<20 || r.connections() != 1 {
		t.Errorf("%d bytes arrived on %d connections", got.Load(), r.connections())
	}
}

// A process that must stop does not wait for an endpoint, neither on an idle connection nor on a
// new one, and sends no request a second time because of it.
func TestAStopAbortsAnIdleConnection(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	second := make(chan struct{})
	r := receive(t, func(c net.Conn) {
		request(c)
		requests.Add(1)
		io.WriteString(c, okResponse)
		if request(c) != nil {
			requests.Add(1)
			close(second)
			io.Copy(io.Discard, c)
		}
	})
	s, sub := newSender(t), subscription(r.url())
	s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-second; cancel() }()
	o := s.Send(ctx, sub, event.Claimed{Event: someEvent()})
	if !strings.Contains(o.Error, "the service stopped") || o.Code != event.CodeNetwork || requests.Load() != 2 {
		t.Errorf("%d requests, %s: %s", requests.Load(), o.Code, o.Error)
	}
}

// pooled makes an idle connection. closed reports whether it is closed.
func pooled(t *testing.T, to string) (w *conn, closed func() bool) {
	t.Helper()
	r := receive(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	tcp := c.(*net.TCPConn)
	w = &conn{Conn: tcp, tcp: &tcpConn{TCPConn: tcp}, origin: to}
	w.idle.look = func(fd uintptr) { w.idle.found = peek(fd) }
	w.idle.raw, _ = tcp.SyscallConn()
	return w, func() bool { return tcp.SetDeadline(time.Time{}) != nil }
}

func TestThePoolIsBounded(t *testing.T) {
	t.Parallel()
	var p pool
	defer p.close()
	w, _ := pooled(t, "a")
	for range idlePerHost {
		p.add(w)
	}
	if over := p.add(w); over != w {
		t.Error("more connections to one origin are kept than allowed")
	}
	for p.count < idleInAll {
		p.idle[string(rune(p.count))] = append(p.idle[string(rune(p.count))], w)
		p.count++
	}
	if over := p.add(&conn{origin: "new"}); over == nil || p.count != idleInAll {
		t.Errorf("%v were closed, and %d are kept, want %d", over, p.count, idleInAll)
	}
	p.idle, p.count = nil, 0
}

func TestOldIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	var p pool
	old, oldClosed := pooled(t, "a")
	young, youngClosed := pooled(t, "a")
	p.put(old)
	p.put(young)
	old.idleSince = old.idleSince.Add(-idleTimeout)
	p.sweep()
	if !oldClosed() || youngClosed() || p.count != 1 {
		t.Errorf("closed: old %v, young %v; kept %d", oldClosed(), youngClosed(), p.count)
	}
	if p.take("b") != nil || p.take("a") != young || p.take("a") != nil {
		t.Error("the pool returned a different connection")
	}
	p.close()
	if p.put(young); !youngClosed() {
		t.Error("a closed pool keeps a connection")
	}
}
