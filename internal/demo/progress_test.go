package demo

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/receiver"
	"github.com/hookferry/hookferry/internal/terminal"
)

func TestPicture(t *testing.T) {
	all := endpoints(usualPace())
	s := snapshot{
		elapsed: 3100 * time.Millisecond, planned: 400, endpoints: []endpoint{all[0], all[3], all[4]},
		tallies: []tally{{planned: 300, accepted: 300, requests: 300, delivered: 300}, {planned: 90, accepted: 80, requests: 121, delivered: 34, failing: 20}, {planned: 10, accepted: 8, requests: 12, failing: 8}},
		counted: map[string]int{client.Delivered: 334, client.Failed: 6, client.Pending: 48},
		took:    []time.Duration{time.Millisecond, 2 * time.Millisecond, 40 * time.Millisecond},
	}
	const want = `  shop       responds at once             ████████████████████  300 of 300
  warehouse  sends 503 twice, then 200    ███████░░░░░░░░░░░░░   34 of 90  20 failing, 121 requests
  analytics  hangs: never responds        ░░░░░░░░░░░░░░░░░░░░    0 of 10  8 failing, 12 requests

  ██████████████████████████████████░░░░░░  340 of 400 settled  3.1 s
  388 accepted   334 delivered   22 retrying   26 pending   6 failed
  POST → disk → endpoint, if it responds at once: p50 2.0 ms   p95 40 ms   p99 40 ms
`
	if got := textOf(s.lines()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const plainWant = "   3.1 s  388 accepted, 334 delivered, 22 retrying, 26 pending, 6 failed\n"
	if got := textOf([]terminal.Line{s.plainLine()}); got != plainWant {
		t.Errorf("got  %swant %s", got, plainWant)
	}
}

// The number of waiting deliveries is never negative.
func TestRetrying(t *testing.T) {
	for _, test := range []struct {
		reason                   string
		failing, failed, pending int
		want                     int
	}{
		{"at the beginning", 0, 0, 0, 0},
		{"some failed, and wait for the next attempt", 5, 0, 9, 5},
		{"some of those have failed for good", 5, 2, 9, 3},
		{"the database knows of more failures than the endpoints", 1, 2, 9, 0},
		{"the database does not know yet that one was accepted", 5, 0, 4, 4},
	} {
		s := snapshot{tallies: []tally{{failing: test.failing}}, counted: map[string]int{client.Failed: test.failed, client.Pending: test.pending}}
		if got := s.retrying(); got != test.want {
			t.Errorf("%s: %d, want %d", test.reason, got, test.want)
		}
	}
}

func TestLedger(t *testing.T) {
	l := newLedger(2)
	begin := time.Now()
	came := func(id, data string) receiver.Arrival {
		return receiver.Arrival{At: begin.Add(time.Second), ID: id, Data: []byte(data), Verdict: receiver.Verified}
	}
	l.accept(publication{endpoint: 0, data: sha256.Sum256([]byte("1")), at: begin, receipt: client.Receipt{EventID: "a", DeliveryID: "da"}})
	if n := l.recordRequest(0, came("a", "1")); n != 1 {
		t.Errorf("the first attempt has the number %d", n)
	}
	l.recordResponse(0, came("a", "1"), 503)
	l.recordResponse(0, came("a", "1"), 0) // counts once
	if tallies, _ := l.progress(func(int) bool { return true }); tallies[0] != (tally{accepted: 1, requests: 1, failing: 1}) {
		t.Errorf("after a failure: %+v", tallies[0])
	}
	if n := l.recordRequest(0, came("a", "1")); n != 2 {
		t.Errorf("the second attempt has the number %d", n)
	}
	l.recordResponse(0, came("a", "1"), 204)
	l.recordResponse(0, came("a", "1"), 200) // a duplicate
	tallies, took := l.progress(func(int) bool { return true })
	if tallies[0] != (tally{accepted: 1, requests: 2, delivered: 1}) || len(took) != 1 || took[0] != time.Second {
		t.Errorf("after a success: %+v, took %v", tallies[0], took)
	}
	if _, took := l.progress(func(int) bool { return false }); len(took) != 0 {
		t.Errorf("what is not timed took %v", took)
	}

	forged := came("a", "1")
	forged.Verdict = receiver.Wrong
	l.recordRequest(0, forged)
	l.recordRequest(1, came("a", "2"))       // another endpoint, other data
	l.recordRequest(1, came("nowhere", "3")) // never accepted
	l.recordRedirect()
	var a account
	l.close(&a)
	if a.unsigned != 1 || a.redirected != 1 || a.unknown != 1 || a.requests != 5 || len(a.entries) != 1 {
		t.Errorf("got %+v", a)
	}
	if seen := a.entries[0].seen; !seen.altered || !seen.misdelivered || seen.successes != 2 || seen.requests != 3 {
		t.Errorf("got %+v", seen)
	}
}
