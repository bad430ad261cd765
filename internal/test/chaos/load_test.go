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

// volume is how much is published.
type volume struct {
	publishers int
	pause      time.Duration // of each publisher, between two events
	events     int           // acknowledged at least before a fault, and again after it
}

func volumeOf(long bool) volume {
	if long {
		return volume{publishers: 32, pause: 5 * time.Millisecond, events: 1500}
	}
	return volume{publishers: 16, pause: 100 * time.Millisecond, events: 60}
}

// load is publishers that post to all API nodes, to subscriptions of their own.
type load struct {
	c        *cluster
	v        volume
	receiver *receiver
	kinds    map[string]string // of each subscription
	stop     chan struct{}
	ended    sync.WaitGroup
	operated string // the subscription that is paused and resumed

	mu           sync.Mutex
	acknowledged map[string]string // each event's subscription
	refused      map[string]int    // by what the publisher got instead
}

// begin makes the subscriptions and starts the publishers.
func (c *cluster) begin(v volume) *load {
	c.t.Helper()
	l := &load{
		c: c, v: v, receiver: receive(c.t, v.publishers), kinds: map[string]string{}, stop: make(chan struct{}),
		acknowledged: map[string]string{}, refused: map[string]int{},
	}
	var turns []string // of the subscriptions, as often as they get an event
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
	c.t.Cleanup(l.end) // where the test breaks off
	return l
}

func (l *load) subscribe(kind string) string {
	l.c.t.Helper()
	most := 0 // the nodes' own limit
	if kind == narrow {
		most = narrowMost
	}
	id := l.c.subscribe(l.receiver.URL+"/"+kind, most)
	l.kinds[id] = kind
	return id
}

// publish posts one event after the other, to one API node after the other.
func (l *load) publish(i int, turns []string) {
	for l.pause(l.v.pause) {
		l.post(i, turns[rand.IntN(len(turns))])
		i++
	}
}

// line posts to narrow so that there are always some in line, and no more than are soon
// done.
func (l *load) line(subscription string) {
	posted := 0
	for i := 0; l.pause(10 * time.Millisecond); i++ {
		if posted-l.receiver.passed() < 30 && l.post(i, subscription) {
			posted++
		}
	}
}

// operate pauses a subscription and resumes it, again and again, at any API node. A call may
// fail while a fault lasts.
func (l *load) operate(subscription string) {
	for i := 0; l.pause(time.Second); i++ {
		action := []string{"/pause", "/resume"}[i%2]
		_, _ = l.c.call(http.MethodPost, l.c.api(i/2)+"/subscriptions/"+subscription+action)
	}
}

// resume ends the pause, once the load has ended.
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

// pause waits, and reports whether to go on.
func (l *load) pause(d time.Duration) bool {
	select {
	case <-l.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// post posts one event, and reports whether it was acknowledged.
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

// forget closes the endpoints and lets go of what is known of the events, once the books
// are balanced: there may be many loads.
func (l *load) forget() {
	l.receiver.Close()
	l.receiver.seen, l.acknowledged = nil, nil
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// more waits until so many more events are acknowledged.
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

// refusals says how many were not acknowledged, and why.
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

// refusal is an answer that is no acknowledgement.
type refusal struct {
	status     int
	retryAfter string
}

func (r refusal) Error() string { return fmt.Sprintf("status %d", r.status) }

// reason is short, so that the same reasons can be counted.
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

// post returns the event's id once it is acknowledged.
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

// subscribe makes a subscription and returns its id. Each worker sends it so many at
// once; 0 is as many as it likes.
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

// acknowledge posts one event, and fails the test where that is refused.
func (c *cluster) acknowledge(t *testing.T, subscription string) string {
	t.Helper()
	id, err := c.post(c.api(0), subscription)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
