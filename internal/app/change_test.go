package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hookferry/hookferry/internal/test/await"
)

// onEachStore runs a test with one node on SQLite, and with two nodes on PostgreSQL.
func onEachStore(t *testing.T, test func(t *testing.T, nodes []*instance)) {
	t.Run("SQLite", func(t *testing.T) { test(t, []*instance{start(t, t.TempDir())}) })
	t.Run("PostgreSQL", func(t *testing.T) {
		database := "DATABASE_URL=" + postgresServer.Database(t, "")
		test(t, []*instance{start(t, t.TempDir(), database), start(t, t.TempDir(), database)})
	})
}

// Concurrent changes of one subscription, each of a different header, lose nothing.
func TestConcurrentPatchesLoseNothing(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*instance) {
		sub := nodes[0].subscribe(map[string]any{"target_url": "http://127.0.0.1:9/", "event_types": []string{"a.*"}})
		const n = 16
		statuses := make([]int, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				body := fmt.Sprintf(`{"headers": {"X-%d": "set"}}`, i)
				req, err := http.NewRequestWithContext(t.Context(), "PATCH", nodes[i%len(nodes)].url+"/subscriptions/"+sub, bytes.NewBufferString(body))
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/merge-patch+json")
				if res, err := http.DefaultClient.Do(req); err == nil {
					res.Body.Close()
					statuses[i] = res.StatusCode
				}
			})
		}
		wg.Wait()
		after := nodes[0].want(http.StatusOK, "GET", "/subscriptions/"+sub, nil)
		for i := range n {
			if after["headers"].(map[string]any)[fmt.Sprintf("X-%d", i)] != "set" || statuses[i] != http.StatusOK {
				t.Errorf("the change of X-%d got %d, and the headers are %v", i, statuses[i], after["headers"])
			}
		}
		_, header, _ := nodes[0].call("GET", "/subscriptions/"+sub, nil)
		if got := header.Get("ETag"); got != fmt.Sprintf(`"%d"`, 1+n) {
			t.Errorf("after %d changes the ETag is %s", n, got)
		}
	})
}

// A change on one node is visible on the other at once: a new ETag is never refused, and an old one
// never accepted.
func TestETagsHoldOnEveryNode(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*instance) {
		sub := nodes[0].subscribe(map[string]any{"target_url": "http://127.0.0.1:9/"})
		old := `"1"`
		for i := range 20 {
			here, there := nodes[i%len(nodes)], nodes[(i+1)%len(nodes)]
			change := func(node *instance, etag string) (int, string) {
				req, err := http.NewRequestWithContext(t.Context(), "PATCH", node.url+"/subscriptions/"+sub, bytes.NewBufferString(`{"description": "x"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("If-Match", etag)
				status, header, _ := here.do(req)
				return status, header.Get("ETag")
			}
			status, now := change(here, old)
			if status != http.StatusOK {
				t.Fatalf("a change with the ETag %s gets %d", old, status)
			}
			if status, _ := change(there, old); status != http.StatusPreconditionFailed {
				t.Fatalf("a change with the ETag %s, which is now %s, gets %d", old, now, status)
			}
			if _, header, _ := there.call("GET", "/subscriptions/"+sub, nil); header.Get("ETag") != now {
				t.Fatalf("the other node's ETag is %s, want %s", header.Get("ETag"), now)
			}
			old = now
		}
	})
}

// During a pause, every node accepts events, and none sends anything. Then all events are
// delivered, and the settings are unchanged.
func TestPauseHoldsDeliveriesAndLosesNone(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*instance) {
		r := receive(t, "", nil)
		here, there := nodes[0], nodes[len(nodes)-1]
		sub := here.subscribe(map[string]any{"target_url": r.URL, "event_types": []string{"user.*"}})
		here.settled(here.publish(sub, created)) // loads it into the memory of a lane
		there.settled(there.publish(sub, created))

		paused := here.want(http.StatusOK, "POST", "/subscriptions/"+sub+"/pause", map[string]any{"reason": "maintenance"})
		if paused["paused_by"] != "anonymous" || paused["is_active"] != true || paused["event_types"] == nil {
			t.Errorf("paused as %v", paused)
		}
		// A hint may be late: until a node knows of the pause, it delivers what it accepts. An
		// event that it accepts later for another subscription is delivered in any case.
		other := here.subscribe(map[string]any{"target_url": receive(t, "", nil).URL})
		for _, node := range nodes {
			await.NoError(t, func() error {
				probe := node.publish(sub, created)
				node.settled(node.publish(other, created))
				if d := node.want(http.StatusOK, "GET", "/status/delivery/"+probe, nil); d["status"] != "pending" {
					return fmt.Errorf("delivery %v", d)
				}
				return nil
			})
		}
		before := len(r.got())
		var waiting []string
		for i := range 20 {
			waiting = append(waiting, nodes[i%len(nodes)].publish(sub, created))
		}
		for _, node := range nodes {
			if got := node.want(http.StatusOK, "GET", "/status/subscription/"+sub, nil); got["paused_at"] != paused["paused_at"] {
				t.Errorf("the status of the subscription is %v", got)
			}
		}
		for _, id := range waiting {
			if d := there.want(http.StatusOK, "GET", "/status/delivery/"+id, nil); d["status"] != "pending" || len(d["attempts"].([]any)) > 0 {
				t.Errorf("the delivery of the paused subscription: %v", d)
			}
		}
		if n := len(r.got()); n != before {
			t.Errorf("the endpoint got %d requests during the pause", n-before)
		}

		resumed := there.want(http.StatusOK, "POST", "/subscriptions/"+sub+"/resume", nil)
		if resumed["paused_at"] != nil || resumed["event_types"].([]any)[0] != "user.*" {
			t.Errorf("resumed as %v", resumed)
		}
		for _, id := range waiting {
			if d := here.settled(id); d["status"] != "delivered" || len(d["attempts"].([]any)) != 1 {
				t.Errorf("after the pause: %v", d)
			}
		}
	})
}

// The id that endpoints know, webhook-id, leads to the delivery, right after the 202 and later.
func TestEventIDLeadsToItsDelivery(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*instance) {
		sub := nodes[0].subscribe(map[string]any{"target_url": receive(t, "", nil).URL})
		accepted := nodes[0].want(http.StatusAccepted, "POST", "/webhooks/ingest/"+sub, created)
		look := func() {
			t.Helper()
			for _, node := range nodes {
				p := node.want(http.StatusNotFound, "GET", fmt.Sprint("/status/delivery/", accepted["event_id"]), nil)
				if detail, _ := p["detail"].(string); !strings.HasSuffix(detail, fmt.Sprintf("its delivery is at /status/delivery/%s.", accepted["delivery_id"])) {
					t.Errorf("an event's id gets %q", detail)
				}
			}
		}
		look()
		nodes[0].settled(accepted["delivery_id"].(string))
		look()
	})
}

// A subscription is deleted while a request to its endpoint is in flight, and the endpoint accepts
// it. The delivery is then delivered, not cancelled.
func TestDeliveryThatSucceedsWhileItsSubscriptionIsDeleted(t *testing.T) {
	onEachStore(t, func(t *testing.T, nodes []*instance) {
		for reason, want := range map[int]string{http.StatusOK: "delivered", http.StatusInternalServerError: "cancelled"} {
			arrived, answer := make(chan struct{}), make(chan struct{})
			r := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) {
				close(arrived)
				<-answer
				w.WriteHeader(reason)
			})
			sub := nodes[0].subscribe(map[string]any{"target_url": r.URL})
			delivery := nodes[0].publish(sub, created)
			<-arrived
			nodes[len(nodes)-1].want(http.StatusNoContent, "DELETE", "/subscriptions/"+sub, nil)
			if d := nodes[0].want(http.StatusOK, "GET", "/status/delivery/"+delivery, nil); d["status"] != "cancelled" {
				t.Errorf("before the endpoint responds: %v", d)
			}
			close(answer)
			var d map[string]any
			await.NoError(t, func() error {
				if d = nodes[0].want(http.StatusOK, "GET", "/status/delivery/"+delivery, nil); len(d["attempts"].([]any)) != 1 {
					return fmt.Errorf("the attempt is not recorded: %v", d)
				}
				return nil
			})
			if d["status"] != want || d["next_attempt_at"] != nil || d["settled_at"] == nil {
				t.Errorf("the endpoint responded with %d, and the delivery is %v", reason, d)
			}
			list := nodes[0].want(http.StatusOK, "GET", "/status/subscription/"+sub, nil)["data"].([]any)
			if len(list) != 1 || list[0].(map[string]any)["success"] != (want == "delivered") {
				t.Errorf("the endpoint responded with %d, and the attempts are %v", reason, list)
			}
			r.Close()
		}
	})
}
