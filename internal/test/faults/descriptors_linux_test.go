package faults

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// TestDescriptorsRunOut prevents the service from opening files and connections. Connected
// producers are served, and others wait. Attempts that could not be made do not count against an
// endpoint.
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	s := serve(t, program, t.TempDir(), "WEBHOOK_RETRY_SCHEDULE=1s,1s")
	sub := s.subscribe(l.endpoint.URL)
	l.posts(s, sub, 1) // keeps a connection alive, which later events use
	l.settle(s, 0)
	l.endpoint.CloseClientConnections() // those of the service to the endpoint

	before := limit(t, s.process.Pid(), syscall.RLIMIT_NOFILE, 3) // which it has open
	const events = 50
	l.posts(s, sub, events)
	stranger, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")) // the system accepts the connection; the service can't
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := fmt.Fprintf(stranger, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await.NoError(t, func() error {
		if out := s.process.Output(); !strings.Contains(out, "Raise the limit on open files") {
			return fmt.Errorf("the log does not say it:\n%s", out)
		}
		return nil
	})
	cpu, start := childproc.CPU(s.process.Pid()), time.Now()
	const watch = 6 * time.Second // longer than all retries would take
	time.Sleep(watch)
	if used := childproc.CPU(s.process.Pid()) - cpu; used > watch/2 {
		t.Errorf("%v of CPU time in %v with nothing to do", used, time.Since(start))
	}
	if n := l.requests(); n != 1 {
		t.Errorf("%d requests went out without a descriptor", n)
	}

	limit(t, s.process.Pid(), syscall.RLIMIT_NOFILE, before)
	if a := l.settle(s, 0); a.acknowledged != events+1 || a.delivered != events+1 || a.refused > 0 {
		t.Errorf("%+v, want all %d", a, events+1)
	}
	if err := stranger.SetReadDeadline(time.Now().Add(await.Patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 12)
	if _, err := stranger.Read(got); err != nil || string(got) != "HTTP/1.1 200" {
		t.Errorf("the client that waited got %q, %v", got, err)
	}
	if a := s.want(http.StatusOK, "GET", "/status/subscription/"+sub, ""); strings.Contains(a.text, `"success":false`) {
		t.Errorf("an attempt that was not made is recorded: %s", a.text)
	}
	s.stop()
}
