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
	all := endpoints(usualPace())
	data := sha256.Sum256([]byte("1"))
	entryOf := func(endpoint int, id, status string, successes int) entry {
		return entry{
			endpoint: endpoint, data: data,
			delivery: client.Delivery{ID: id, Status: status, Attempts: []client.Attempt{{AttemptNumber: 1, Success: successes > 0, Error: "no response within 1s"}}},
			seen:     reception{endpoint: endpoint, data: data, requests: 1, successes: successes},
		}
	}
	return account{
		endpoints: all,
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
		{"a pending delivery is counted, and is not a fault", func(a *account) {
			a.entries[0].delivery.Status, a.entries[0].seen = client.Pending, reception{}
			a.counted = map[string]int{client.Delivered: 1, client.Failed: 1, client.Pending: 1}
		}, nil},
		{"a duplicate is not a fault", func(a *account) { a.entries[0].seen.successes = 2 }, nil},
		{
			"the database has lost a delivery", func(a *account) { a.counted[client.Delivered] = 1 },
			[]string{"2 deliveries are delivered according to the API, but the database counts 1", "3 events were accepted, but the API reports 3 deliveries, and the database counts 2"},
		},
		{"the database has one too many", func(a *account) { a.counted[client.Cancelled] = 1 }, []string{
			"0 deliveries are cancelled according to the API, but the database counts 1", "3 events were accepted, but the API reports 3 deliveries, and the database counts 4",
		}},
		{"a delivery with an unknown status", func(a *account) { a.entries[0].delivery.Status = "sent" }, []string{
			"1 deliveries are delivered according to the API, but the database counts 2", "3 events were accepted, but the API reports 2 deliveries", "1 event sent at shop, but expected to be delivered",
		}},
		{"counted as delivered, but never accepted", func(a *account) { a.entries[1].seen.successes = 0 }, []string{
			"1 event lost: counted as delivered, but no endpoint accepted it, for example delivery d1",
		}},
		{"counted as delivered, but never arrived", func(a *account) { a.entries[1].seen = reception{} }, []string{
			"1 event lost: counted as delivered, but no endpoint accepted it, for example delivery d1",
		}},
		{"other bytes than were published", func(a *account) { a.entries[0].seen.data = sha256.Sum256([]byte("2")) }, []string{
			"1 event altered: the data that arrived is not the data that was published, for example delivery d0",
		}},
		{"different bytes in another attempt", func(a *account) { a.entries[0].seen.altered = true }, []string{"1 event altered"}},
		{"to the wrong endpoint", func(a *account) { a.entries[0].seen.endpoint = 2 }, []string{"1 event misdelivered"}},
		{"to another endpoint too", func(a *account) { a.entries[0].seen.misdelivered = true }, []string{"1 event misdelivered"}},
		{"failed although the endpoint responds with 200", func(a *account) {
			a.entries[0].delivery.Status, a.entries[0].seen.successes = client.Failed, 0
			a.counted = map[string]int{client.Delivered: 1, client.Failed: 2}
		}, []string{"1 event failed at shop, but expected to be delivered, for example delivery d0"}},
		{"cancelled without a reason", func(a *account) {
			a.entries[2].delivery.Status = client.Cancelled
			a.counted = map[string]int{client.Delivered: 2, client.Cancelled: 1}
		}, []string{"1 event cancelled at analytics, but expected to be failed, for example delivery d4"}},
		{"a wrong signature", func(a *account) { a.unsigned = 1 }, []string{"3 requests arrived, of which 1 had no valid signature"}},
		{"a redirect that was followed", func(a *account) { a.redirected = 1 }, []string{"a redirect was followed: 1 request arrived at its target"}},
		{"an event that was never accepted", func(a *account) { a.unknown = 1 }, []string{"1 event arrived that the service had not accepted"}},
		{"a forbidden target that was accepted", func(a *account) { a.refusals.target = "" }, []string{"a subscription with the target http://169.254.169.254/"}},
		{"an event for an endpoint that is gone was accepted", func(a *account) { a.refusals.gone = "" }, []string{"an event was accepted for an endpoint that had responded with 410"}},
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
	a.entries[0].seen.successes = 2
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
			a := client.Attempt{AttemptNumber: i + 1, Error: "responded with 503"}
			if status == client.Delivered && i == attempts-1 {
				a = client.Attempt{AttemptNumber: i + 1, Success: true}
			}
			d.Attempts = append(d.Attempts, a)
		}
		return d
	}
	for want, deliveries := range map[string][]client.Delivery{
		"no events": nil,
		"1 event, all delivered on the first attempt":                                            {delivery(client.Delivered, 1)},
		"2 events, all delivered on attempt 3; earlier attempts failed: responded with 503":      {delivery(client.Delivered, 3), delivery(client.Delivered, 3)},
		"2 events, all delivered on attempt 1 to 3; earlier attempts failed: responded with 503": {delivery(client.Delivered, 3), delivery(client.Delivered, 1)},
		"1 event, failed at once: responded with 503":                                            {delivery(client.Failed, 1)},
		"2 events, all failed after 2 to 4 attempts: responded with 503":                         {delivery(client.Failed, 4), delivery(client.Failed, 2)},
		"2 events: 1 delivered, 1 failed; attempts: 1 to 2; last failure: responded with 503":    {delivery(client.Failed, 2), delivery(client.Delivered, 1)},
		"2 events: 1 pending, 1 cancelled; attempts: 0 to 1; last failure: responded with 503":   {delivery(client.Pending, 1), delivery(client.Cancelled, 0)},
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
