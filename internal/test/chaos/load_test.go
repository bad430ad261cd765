package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/test/await"
)

// volume is the amount of load.
type volume struct {
	publishers int
	pause      time.Duration // of each publisher between two events
	events     int           // minimum number of accepted events before a fault, and again after it
}

func volumeOf(long bool) volume {
	if long {
		return volume{publishers: 32, pause: 5 * time.Millisecond, events: 1500}
	}
	return volume{publishers: 16, pause: 100 * time.Millisecond, events: 60}
}

// load is a set of publishers that use all API nodes, with their own subscriptions.
type load struct {
	c        *cluster
	v        volume
	receiver *receiver
	kinds    map[string]string // by subscription
	stop     chan struct{}
	ended    sync.WaitGroup
	operated string // the subscription that is paused and resumed

	mu           sync.Mutex
	acknowledged map[string]string // subscription by event
	refused      map[string]int    // by what the publisher got instead of a 202
}

// begin creates the subscriptions and starts the publishers.
func (c *cluster) begin(v volume) *load {
	c.t.Helper()
	l := &load{
		c: c, v: v, receiver: receive(c.t, v.publishers), kinds: map[string]string{}, stop: make(chan struct{}),
		acknowledged: map[string]string{}, refused: map[string]int{},
	}
	var turns []string // the subscriptions, each as often as it gets an event
	for kind, share := range map[string]int{steady: 8, slow: 4, flaky: 4, doomed: 1, busy: 1, paused: 2} {
		id := l.subscribe(kind)
		if kind == paused {
			l.operated = id
			l.ended.Go(func() { l.operate(id) })
		}
		turns = append(turns, slices.Repeat([]string{id}, share)...)
	}
	queue := l.subscribe(narrow)
	for i := range v.publishers {
		l.ended.Go(func() { l.publish(i, turns) })
	}
	l.ended.Go(func() { l.line(queue) })
	c.t.Cleanup(l.end) // if the test breaks off
	return l
}

func (l *load) subscribe(kind string) string {
	l.c.t.Helper()
	most := 0 // the limit of the nodes
	if kind == narrow {
		most = narrowMost
	}
	id := l.c.subscribe(l.receiver.URL+"/"+kind, most)
	l.kinds[id] = kind
	return id
}

// publish publishes one event after another, to the API nodes in turn.
func (l *load) publish(i int, turns []string) {
	for l.pause(l.v.pause) {
		l.post(i, turns[rand.IntN(len(turns))])
		i++
	}
}

// line keeps a few events waiting for narrow, but no more than it can soon accept.
func (l *load) line(subscription string) {
	posted := 0
	for i := 0; l.pause(10 * time.Millisecond); i++ {
		if posted-l.receiver.passed() < 30 && l.post(i, subscription) {
			posted++
		}
	}
}

// operate pauses and resumes a subscription again and again, on any API node. A call may fail
// during a fault.
func (l *load) operate(subscription string) {
	for i := 0; l.pause(time.Second); i++ {
		action := []string{"/pause", "/resume"}[i%2]
		_, _ = l.c.call(http.MethodPost, l.c.api(i/2)+"/subscriptions/"+subscription+action)
	}
}

// resume ends the pause after the end of the load.
func (l *load) resume() {
	l.c.t.Helper()
	deadline := time.Now().Add(await.Patience)
	for i := 0; ; i++ {
		status, err := l.c.call(http.MethodPost, l.c.api(i)+"/subscriptions/"+l.operated+"/resume")
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			l.c.t.Fatalf("the pause of a subscription does not end: status %d, %v", status, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// pause waits, and reports whether to continue.
func (l *load) pause(d time.Duration) bool {
	select {
	case <-l.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// post publishes one event, and reports whether it was accepted.
func (l *load) post(i int, subscription string) bool {
	id, err := l.c.post(l.c.api(i), subscription)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.acknowledged[id] = subscription
	} else {
		l.refused[reason(err)]++
	}
	return err == nil
}

// end stops the publishers.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.ended.Wait()
}

// forget closes the endpoints and discards what is known about the events, because there may be
// many loads.
func (l *load) forget() {
	l.receiver.Close()
	l.receiver.seen, l.acknowledged = nil, nil
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// more waits until a number of further events are accepted.
func (l *load) more() {
	l.c.t.Helper()
	enough := l.count() + l.v.events
	await.NoError(l.c.t, func() error {
		if n := l.count(); n < enough {
			return fmt.Errorf("%d events are acknowledged, waiting for %d; %s", n, enough, l.refusals())
		}
		return nil
	})
}

// refusals says how many events were not accepted, and why.
func (l *load) refusals() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.refused) == 0 {
		return "none refused"
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(l.refused)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.refused[why], why))
	}
	return "refused: " + strings.Join(parts, ", ")
}

// refusal is a response other than 202.
type refusal struct {
	status     int
	retryAfter string
}

func (r refusal) Error() string { return fmt.Sprintf("status %d", r.status) }

// reason is short, so that equal reasons can be counted.
func reason(err error) string {
	for _, what := range []string{"status", "refused", "reset", "EOF", "Timeout"} {
		if strings.Contains(err.Error(), what) {
			if what == "status" {
				return err.Error()
			}
			return what
		}
	}
	return "other"
}

var body = fmt.Appendf(nil, `{"event": "chaos.test", "data": %q}`, bytes.Repeat([]byte("x"), 990))

// post returns the id of an accepted event.
func (c *cluster) post(url, subscription string) (string, error) {
	res, err := c.client.Post(url+"/webhooks/ingest/"+subscription, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusAccepted {
		return "", refusal{res.StatusCode, res.Header.Get("Retry-After")}
	}
	var answer struct {
		EventID string `json:"event_id"`
	}
	err = json.Unmarshal(text, &answer)
	return answer.EventID, err
}

// subscribe creates a subscription and returns its id. Each worker sends it at most this many
// requests at once; 0 means unlimited.
func (c *cluster) subscribe(target string, most int) string {
	c.t.Helper()
	in := fmt.Sprintf(`{"target_url": %q, "max_in_flight": %d}`, target, most)
	res, err := c.client.Post(c.api(0)+"/subscriptions/", "application/json", strings.NewReader(in))
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusCreated {
		c.t.Fatalf("subscribe: %d (%v)", res.StatusCode, err)
	}
	return answer.ID
}

// call makes a request without a body, and returns the status of the response.
func (c *cluster) call(method, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// acknowledge publishes one event, and fails the test if it is refused.
func (c *cluster) acknowledge(t *testing.T, subscription string) string {
	t.Helper()
	id, err := c.post(c.api(0), subscription)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
