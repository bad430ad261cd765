package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hookferry/hookferry/internal/test/await"
)

// A connection beyond the limit is refused at once and takes no capacity. When another connection
// ends, a new one is accepted.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	c := &limitListener{Listener: l, limit: 2, refused: func() { refused.Add(1) }}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })}
	go s.Serve(c)
	t.Cleanup(func() { s.Close() })

	ask := func(conn net.Conn) (*http.Response, string) {
		t.Helper()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // a refused connection may already be closed
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		return res, string(body)
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	one, two := dial(), dial()
	for _, conn := range []net.Conn{one, two} {
		if _, body := ask(conn); body != "here" {
			t.Fatalf("a connection below the limit got %q", body)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(dial()), nil) // the response comes without a request
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close || !strings.Contains(string(body), "too_many_connections") || refused.Load() != 1 {
		t.Errorf("a connection beyond the limit got %d %v %s, and %d were counted", res.StatusCode, res.Header, body, refused.Load())
	}
	if _, body := ask(one); body != "here" {
		t.Errorf("an accepted connection got %q", body)
	}
	two.Close()
	await.NoError(t, func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(conn)
		if err == nil && !strings.HasSuffix(string(answer), "here") {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
}
