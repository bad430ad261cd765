package demo

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// honest is an account that adds up: two delivered, one failed.
func honest() account {
	cast := endpoints(usualPace())
	data := sha256.Sum256([]byte("1"))
	entryOf := func(receiver int, id, status string, taken int) entry {
		return entry{
			receiver: receiver, data: data,
			delivery: client.Delivery{ID: id, Status: status, Attempts: []client.Attempt{{AttemptNumber: 1, Success: taken > 0, Error: "no response within 1s"}}},
			seen:     reception{receiver: receiver, data: data, requests: 1, taken: taken},
		}
	}
	return account{
		endpoints: cast,
		entries:   []entry{entryOf(0, "d0", client.Delivered, 1), entryOf(1, "d1", client.Delivered, 1), entryOf(4, "d4", client.Failed, 0)},
		counted:   map[string]int{client.Delivered: 2, client.Failed: 1},
		requests:  3,
		refusals:  refusals{target: "it is private", gone: "it is gone"},
		took:      []time.Duration{time.Millisecond, 2 * time.Millisecond},
		patience:  time.Second,
	}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		reason string
		tamper func(*account)
		want   []string // beginnings
	}{
		{"an honest account", func(*account) {}, nil},
		{"what still waits is counted, and no fault", func(a *account) {
			a.entries[0].delivery.Status, a.entries[0].seen = client.Pending, reception{}
			a.counted = map[string]int{client.Delivered: 1, client.Failed: 1, client.Pending: 1}
		}, nil},
		{"taken twice is at least once, and no fault", func(a *account) { a.entries[0].seen.taken = 2 }, nil},
		{
			"the database has lost a delivery", func(a *account) { a.counted[client.Delivered] = 1 },
			[]string{"2 deliveries are delivered according to the API, but the database counts 1", "3 events were accepted, but the API reports 3 deliveries, and the database counts 2"},
		},
		{"the database has one too many", func(a *account) { a.counted[client.Cancelled] = 1 }, []string{
			"0 deliveries are cancelled according to the API, but the database counts 1", "3 events were accepted, but the API reports 3 deliveries, and the database counts 4",
		}},
		{"a delivery with a status that there is not", func(a *account) { a.entries[0].delivery.Status = "sent" }, []string{
			"1 deliveries are delivered according to the API, but the database counts 2", "3 events were accepted, but the API reports 2 deliveries", "1 event sent at shop, but expected to be delivered",
		}},
		{"counted as delivered and never taken", func(a *account) { a.entries[1].seen.taken = 0 }, []string{
			"1 event lost: counted as delivered, but no endpoint accepted it, for example delivery d1",
		}},
		{"counted as delivered and never come", func(a *account) { a.entries[1].seen = reception{} }, []string{
			"1 event lost: counted as delivered, but no endpoint accepted it, for example delivery d1",
		}},
		{"not the bytes that were sent", func(a *account) { a.entries[0].seen.data = sha256.Sum256([]byte("2")) }, []string{
			"1 event altered: the data that arrived is not the data that was published, for example delivery d0",
		}},
		{"not the same bytes on each attempt", func(a *account) { a.entries[0].seen.altered = true }, []string{"1 event altered"}},
		{"to the wrong endpoint", func(a *account) { a.entries[0].seen.receiver = 2 }, []string{"1 event misdelivered"}},
		{"to another endpoint besides", func(a *account) { a.entries[0].seen.misdelivered = true }, []string{"1 event misdelivered"}},
		{"given up where the endpoint answers well", func(a *account) {
			a.entries[0].delivery.Status, a.entries[0].seen.taken = client.Failed, 0
			a.counted = map[string]int{client.Delivered: 1, client.Failed: 2}
		}, []string{"1 event failed at shop, but expected to be delivered, for example delivery d0"}},
		{"cancelled by nobody", func(a *account) {
			a.entries[2].delivery.Status = client.Cancelled
			a.counted = map[string]int{client.Delivered: 2, client.Cancelled: 1}
		}, []string{"1 event cancelled at analytics, but expected to be failed, for example delivery d4"}},
		{"a signature that is not right", func(a *account) { a.unsigned = 1 }, []string{"3 requests arrived, of which 1 had no valid signature"}},
		{"a redirect that was followed", func(a *account) { a.redirected = 1 }, []string{"a redirect was followed: 1 request arrived at its target"}},
		{"an event out of nowhere", func(a *account) { a.unknown = 1 }, []string{"1 event arrived that the service had not accepted"}},
		{"a forbidden target that was taken", func(a *account) { a.refusals.target = "" }, []string{"a subscription with the target http://169.254.169.254/"}},
		{"an endpoint that is gone and goes on", func(a *account) { a.refusals.gone = "" }, []string{"an event was accepted for an endpoint that had responded with 410"}},
	} {
		a := honest()
		test.tamper(&a)
		got := a.faults()
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.reason, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		shown := textOf(a.lines(got))
		if says := strings.Contains(shown, "it adds up"); says != (len(test.want) == 0) {
			t.Errorf("%s: says\n%s", test.reason, shown)
		}
	}
}

func TestAccountReportsDuplicates(t *testing.T) {
	a := honest()
	a.entries[0].seen.taken = 2
	a.entries[2].delivery.Status = client.Pending
	a.counted = map[string]int{client.Delivered: 2, client.Pending: 1}
	shown := textOf(a.lines(a.faults()))
	for _, want := range []string{"3 accepted = 2 delivered + 0 failed + 1 pending + 0 cancelled", "! 1 event still pending", "! 1 event arrived again after being accepted"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
}

func textOf(lines []terminal.Line) string {
	var b strings.Builder
	terminal.NewScreen(&b).Print(lines...)
	return b.String()
}

func TestGroupWords(t *testing.T) {
	delivery := func(status string, attempts int) client.Delivery {
		d := client.Delivery{Status: status}
		for i := range attempts {
			a := client.Attempt{AttemptNumber: i + 1, Error: "answered 503"}
			if status == client.Delivered && i == attempts-1 {
				a = client.Attempt{AttemptNumber: i + 1, Success: true}
			}
			d.Attempts = append(d.Attempts, a)
		}
		return d
	}
	for want, deliveries := range map[string][]client.Delivery{
		"no events": nil,
		"1 event, all delivered on the first attempt":                                      {delivery(client.Delivered, 1)},
		"2 events, all delivered on attempt 3; earlier attempts failed: answered 503":      {delivery(client.Delivered, 3), delivery(client.Delivered, 3)},
		"2 events, all delivered on attempt 1 to 3; earlier attempts failed: answered 503": {delivery(client.Delivered, 3), delivery(client.Delivered, 1)},
		"1 event, failed at once: answered 503":                                            {delivery(client.Failed, 1)},
		"2 events, all failed after 2 to 4 attempts: answered 503":                         {delivery(client.Failed, 4), delivery(client.Failed, 2)},
		"2 events: 1 delivered, 1 failed; attempts: 1 to 2; last failure: answered 503":    {delivery(client.Failed, 2), delivery(client.Delivered, 1)},
		"2 events: 1 pending, 1 cancelled; attempts: 0 to 1; last failure: answered 503":   {delivery(client.Pending, 1), delivery(client.Cancelled, 0)},
	} {
		g := group{byStatus: map[string]int{}}
		for _, d := range deliveries {
			g.add(d)
		}
		if got := g.words(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// A lesson is printed only if the numbers prove it.
func TestLessons(t *testing.T) {
	a := honest()
	if othersNotDelayed(a) == "" || redirectNotFollowed(a) == "" || subscriptionDisabled(a) == "" {
		t.Error("an honest account proves nothing")
	}
	a.took = []time.Duration{time.Millisecond, time.Second}
	a.redirected, a.refusals.gone = 1, ""
	if said := othersNotDelayed(a) + redirectNotFollowed(a) + subscriptionDisabled(a); said != "" {
		t.Errorf("said without proof: %s", said)
	}
	a.took = nil
	if said := othersNotDelayed(a); said != "" {
		t.Errorf("said of nothing: %s", said)
	}
}

func TestPercentile(t *testing.T) {
	var took []time.Duration
	for i := range 200 {
		took = append(took, time.Duration(i+1))
	}
	for _, test := range []struct {
		sorted  []time.Duration
		percent int
		want    time.Duration
	}{
		{nil, 99, 0},
		{took[:1], 50, 1},
		{took[:1], 99, 1},
		{took[:2], 50, 1},
		{took[:3], 50, 2},
		{took, 50, 100},
		{took, 99, 198},
		{took, 100, 200},
	} {
		if got := percentile(test.sorted, test.percent); got != test.want {
			t.Errorf("p%d of %d is %d, want %d", test.percent, len(test.sorted), got, test.want)
		}
	}
	if got := fmt.Sprint(terminal.Milliseconds(1234*time.Microsecond), "; ", terminal.Milliseconds(45*time.Millisecond), "; ", terminal.Milliseconds(1500*time.Millisecond)); got != "1.2 ms; 45 ms; 1.5 s" {
		t.Error(got)
	}
}
