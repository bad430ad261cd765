package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// refusals are requests whose response comes before their body was read.
var refusals = []struct {
	reason, method, path string
	header               string
	status               int
}{
	{"too large", "POST", "/subscriptions/", "Content-Type: application/json\r\n", 413},
	{"too large for ingest", "POST", "/webhooks/ingest/" + event.NewID(time.Unix(1, 0)).String(), "Content-Type: application/json\r\n", 413},
	{"no such path", "POST", "/nowhere", "Content-Type: application/json\r\n", 404},
	{"no such method", "POST", "/health", "", 405},
	{"not JSON", "POST", "/subscriptions/", "Content-Type: text/plain\r\n", 415},
	{"compressed", "POST", "/subscriptions/", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415},
	{"from another origin's page", "POST", "/subscriptions/", "Content-Type: application/json\r\nOrigin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\n", 403},
	{"a page, which takes no body", "GET", "/livez", "", 200},
}

// A client that sends its whole body before it reads gets the response of each refusal,
// and not a reset: however the body is framed, and whatever it said of the connection.
func TestRefusalsReachClientsThatAreStillSending(t *testing.T) {
	i := start(t, t.TempDir())
	for _, size := range []int{20_000, 300_000, 8 << 20} {
		body := strings.Repeat(" ", size)
		for framing, framed := range map[string]struct{ header, body string }{
			"with its length":                           {fmt.Sprintf("Content-Length: %d\r\n", size), body},
			"with its length, closing":                  {fmt.Sprintf("Connection: close\r\nContent-Length: %d\r\n", size), body},
			"in chunks":                                 {"Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)},
			"in chunks, closing":                        {"Connection: close\r\nTransfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)},
			"expecting 100 without waiting for it":      {fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n", size), body},
			"in chunks, expecting 100 without awaiting": {"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)},
		} {
			for _, r := range refusals {
				want := r.status
				if size < 1<<20 && want == 413 {
					continue
				}
				t.Run(fmt.Sprintf("%s, %d bytes %s", r.reason, size, framing), func(t *testing.T) {
					t.Parallel()
					head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", r.method, r.path, r.header, framed.header)
					if got := blindly(t, i.Addr(), head+framed.body); got != want {
						t.Errorf("answers %d, want %d", got, want)
					}
				})
			}
		}
	}
}

// blindly sends a whole request, and reads only then. It returns the final status.
func blindly(t *testing.T, addr, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetWriteBuffer(64 << 10) // so that most of the request waits for the service to read
	if _, err := io.WriteString(c, request); err != nil {
		t.Errorf("the request could not be sent whole: %v", err)
	}
	for r := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("no response: %v", err)
			return 0
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("the response is cut: %v", err)
		}
		if resp.StatusCode >= 200 {
			return resp.StatusCode
		}
	}
}

// A client that never stops sending is cut off: what it sends is bounded.
func TestReadingOnIsBounded(t *testing.T) {
	i := start(t, t.TempDir(), "HOOKFERRY_MAX_CONNECTIONS=16")
	const endless = 1 << 40
	for range 16 {
		c, err := net.Dial("tcp", i.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			fmt.Fprintf(c, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", endless)
			io.Copy(c, zeros{}) // ends when the service closes
			c.Close()
		}()
	}
	await.NoError(t, func() error { // each of them counts until it is closed
		resp, err := http.Get(i.url + "/livez")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("answers %d", resp.StatusCode)
		}
		return nil
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// One connection too many gets its 503 although it sends a request meanwhile.
func TestOneTooManyIsToldSoWhileItSends(t *testing.T) {
	i := start(t, t.TempDir(), "HOOKFERRY_MAX_CONNECTIONS=16")
	for range 16 {
		c, err := net.Dial("tcp", i.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n") // the response says that it counts
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	request := fmt.Sprintf("POST /subscriptions/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", 8<<20, strings.Repeat(" ", 8<<20))
	if got := blindly(t, i.Addr(), request); got != 503 {
		t.Errorf("answers %d", got)
	}
}
