package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/test/await"
)

// patiently runs a service that keeps reading for as long as a test may take, so that no test
// depends on the speed of this machine.
func patiently(t *testing.T, settings ...string) (addr string) {
	t.Helper()
	cfg, err := config.Load(append(settings, "HOOKFERRY_ADMIN_ADDR=off"), "", config.Overrides{Dev: true, Addr: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range a.servers {
		s.listener.(*limitListener).patience = patience{silence: await.Patience, total: await.Patience}
		s.http.ReadTimeout, s.http.ReadHeaderTimeout = await.Patience, await.Patience
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a.Addr()
}

// refusals are requests whose response comes before their body is read.
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
	{"a page of another origin", "POST", "/subscriptions/", "Content-Type: application/json\r\nOrigin: http://elsewhere.example\r\nSec-Fetch-Site: cross-site\r\n", 403},
	{"a documentation page, which reads no body", "GET", "/livez", "", 200},
}

// A client that sends its whole body before it reads gets a response to each refused request, not
// a reset, no matter how the body is framed and what the request says about the connection.
func TestRefusalsReachClientsThatAreStillSending(t *testing.T) {
	addr := patiently(t)
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
					if got := blindly(t, addr, head+framed.body); got != want {
						t.Errorf("responds with %d, want %d", got, want)
					}
				})
			}
		}
	}
}

// blindly sends a whole request before it reads anything. It returns the final status.
func blindly(t *testing.T, addr, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetWriteBuffer(64 << 10) // most of the request waits until the service reads it
	if _, err := io.WriteString(c, request); err != nil {
		t.Errorf("the request could not be sent completely: %v", err)
	}
	for r := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("no response: %v", err)
			return 0
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("the response is truncated: %v", err)
		}
		if resp.StatusCode >= 200 {
			return resp.StatusCode
		}
	}
}

// A client that never stops sending is cut off: the service reads a limited number of bytes.
func TestReadingOnIsBounded(t *testing.T) {
	addr := patiently(t, "HOOKFERRY_MAX_CONNECTIONS=16")
	const endless = 1 << 40
	for range 16 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			fmt.Fprintf(c, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", endless)
			io.Copy(c, zeros{}) // ends when the service closes the connection
			c.Close()
		}()
	}
	await.NoError(t, func() error { // each connection counts until it is closed
		resp, err := http.Get("http://" + addr + "/livez")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("responds with %d", resp.StatusCode)
		}
		return nil
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A connection beyond the limit gets its 503 even if it sends a request in the meantime.
func TestConnectionBeyondTheLimitGetsItsResponse(t *testing.T) {
	addr := patiently(t, "HOOKFERRY_MAX_CONNECTIONS=16")
	for range 16 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n") // after the response, the connection counts
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	request := fmt.Sprintf("POST /subscriptions/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", 8<<20, strings.Repeat(" ", 8<<20))
	if got := blindly(t, addr, request); got != 503 {
		t.Errorf("responds with %d", got)
	}
}

// A client that sends nothing and does not close its side is cut off too, and so is a client that
// sends slowly forever.
func TestReadingOnTakesABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			reason string
			pause  time.Duration // between two bytes
			ends   time.Duration
		}{
			{"silence", time.Hour, usualPatience.silence},
			{"slowly", usualPatience.silence / 2, usualPatience.total},
		} {
			ours, theirs := net.Pipe()
			go func() {
				for {
					time.Sleep(c.pause)
					if _, err := theirs.Write([]byte{0}); err != nil {
						return
					}
				}
			}()
			begun := time.Now()
			linger(ours, usualPatience)
			if took := time.Since(begun); took != c.ends {
				t.Errorf("%s: read on for %v, want %v", c.reason, took, c.ends)
			}
			time.Sleep(c.pause) // the writer then finds the connection closed, and ends
			synctest.Wait()
		}
	})
}
