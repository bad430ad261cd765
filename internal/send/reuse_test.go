package send

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

// answers handles a connection by responding to its requests with these responses in turn. At the
// first empty one it reads the request and closes the connection.
func answers(requests *atomic.Int32, all ...string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		for _, a := range all {
			if request(c) == nil {
				return
			}
			requests.Add(1)
			if a == "" {
				return
			}
			io.WriteString(c, a)
		}
		request(c)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"nothing": "HTTP/1.1 204 No Content\r\n\r\n",
		"a body":  okResponse,
		"chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"much":    "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("a", maxBody),
		"failure": "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno",
	}
	for name, a := range bodies {
		var requests atomic.Int32
		r := receive(t, answers(&requests, a, a, a))
		s := newSender(t)
		for range 3 {
			s.Send(t.Context(), subscription(r.url()), event.Claimed{Event: someEvent()})
		}
		if requests.Load() != 3 || r.connections() != 1 {
			t.Errorf("%s: %d requests on %d connections", name, requests.Load(), r.connections())
		}
	}
}

// An endpoint may close an idle connection just when the next request is sent on it. That is not a
// failure: the request is repeated.
func TestADeadIdleConnectionIsNotAFailure(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	r := receive(t, answers(&requests, okResponse, ""))
	s, sub := newSender(t), subscription(r.url())
	for i := range 2 {
		if o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()}); !o.Success() {
			t.Errorf("attempt %d: %s: %s", i+1, o.Code, o.Error)
		}
	}
	if requests.Load() != 3 || r.connections() != 2 {
		t.Errorf("%d requests on %d connections, want 3 on 2", requests.Load(), r.connections())
	}
}

// If a new connection brings no response, the attempt has failed. The request is not repeated
// without the retry schedule.
func TestANewConnectionIsNotRepeated(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	r := receive(t, answers(&requests, ""))
	if o := send(t, r.url()); o.Code != event.CodeConnectionClosed || requests.Load() != 1 {
		t.Errorf("%d requests, %s: %s", requests.Load(), o.Code, o.Error)
	}
}

// Once a response has begun, the request must not be repeated.
func TestNoRepeatAfterTheResponseHasBegun(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	r := receive(t, answers(&requests, okResponse, "HTTP/1.1 2", ""))
	s, sub := newSender(t), subscription(r.url())
	sub.Timeout = short
	s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
	o := s.Send(t.Context(), sub, event.Claimed{Event: someEvent()})
	if requests.Load() != 2 || o.Code != event.CodeTimeout || o.Error != "no complete status line within 500ms" {
		t.Errorf("%d requests, %s: %s", requests.Load(), o.Code, o.Error)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var got sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Webhook-Id"), true)
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	s, sub := newSender(t), subscription(server.URL)
	sub.Secrets = []event.Secret{"my_secret_key"}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 20 {
				ev := someEvent()
				ev.Payload = []byte(`"` + ev.ID.String() + `"`)
				o := s.Send(t.Context(), sub, event.Claimed{Event: ev})
				if _, came := got.Load(ev.ID.String()); !came || string(o.Response) != string(ev.Payload) {
					t.Errorf("%v: got %v, response %q, %s", ev.ID, came, o.Response, o.Error)
				}
			}
		})
	}
	all.Wait()
}
