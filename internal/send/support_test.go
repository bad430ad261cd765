package send

import (
	"bufio"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// short is a timeout that tests run into on purpose. No test asserts how long anything took.
const short = 500 * time.Millisecond

func allowLoopback() *Guard {
	return NewGuard(Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
}

func newSender(t *testing.T) *Sender {
	t.Helper()
	s := New(Options{UserAgent: "Hookferry/test", Guard: allowLoopback()})
	t.Cleanup(s.Close)
	return s
}

func subscription(target string) event.Subscription {
	return event.Subscription{ID: event.NewID(time.Now()), TargetURL: target}
}

func someEvent() event.Event {
	return event.Event{ID: event.NewID(time.Now()), Type: "user.created", Payload: []byte(`{"id":123}`)}
}

// send makes one attempt at the target with a new sender.
func send(t *testing.T, target string) event.Outcome {
	t.Helper()
	return newSender(t).Send(t.Context(), subscription(target), event.Claimed{Event: someEvent()})
}

// receiver is a listener that handles its connections byte by byte. All are closed when the test
// ends.
type receiver struct {
	addr  string
	close func() // and wait for the handlers; called again when the test ends
	mu    sync.Mutex
	all   []net.Conn
}

func receive(t *testing.T, handle func(net.Conn)) *receiver {
	t.Helper()
	return receiveAt(t, "127.0.0.1", handle)
}

// receiveAt listens on another address of this machine.
func receiveAt(t testing.TB, host string, handle func(net.Conn)) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{addr: l.Addr().String()}
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.keep(c)
			handlers.Go(func() { handle(c) })
		}
	})
	r.close = sync.OnceFunc(func() {
		l.Close()
		r.closeAll()
		handlers.Wait()
	})
	t.Cleanup(r.close)
	return r
}

func (r *receiver) keep(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, c)
}

func (r *receiver) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		c.Close()
	}
}

// connections returns how many were accepted so far.
func (r *receiver) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

func (r *receiver) url() string { return "http://" + r.addr + "/webhook" }

// request reads one whole request. It returns nil when the connection ends.
func request(c io.Reader) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return nil
	}
	io.Copy(io.Discard, r.Body)
	return r
}

// respond makes a handler that reads a request, writes this, and leaves the
// connection open until the other end closes it.
func respond(bytes string) func(net.Conn) {
	return func(c net.Conn) {
		if request(c) == nil {
			return
		}
		io.WriteString(c, bytes)
		io.Copy(io.Discard, c)
	}
}

// respondAndClose closes the connection after it.
func respondAndClose(bytes string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		io.WriteString(c, bytes)
		c.Close()
	}
}

// respondAndReset resets the connection after it.
func respondAndReset(bytes string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		io.WriteString(c, bytes)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// respondForever writes the beginning once and the rest repeatedly.
func respondForever(beginning, rest string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		_, err := io.WriteString(c, beginning)
		for err == nil {
			_, err = io.WriteString(c, rest)
		}
	}
}

// quiet drops what test servers log about bad clients.
var quiet = log.New(io.Discard, "", 0)
