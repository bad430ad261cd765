package app_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/hookferry/hookferry/internal/hostile"
	"github.com/hookferry/hookferry/internal/test/await"
)

// hostileEndpoints is the number of hostile endpoints, of all kinds in turn. A thousand fill the
// default HOOKFERRY_MAX_IN_FLIGHT.
func hostileEndpoints(t *testing.T) int {
	t.Helper()
	const usual = 200
	text := os.Getenv("HOOKFERRY_TEST_HOSTILE")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HOOKFERRY_TEST_HOSTILE is %q; write the number of hostile endpoints", text)
	}
	return n
}

// busy are the kinds whose attempts last until the timeout.
var busy = []string{"silent", "tarpit"}

// Healthy endpoints get all of their deliveries while hundreds of hostile ones are being called:
// those that hang are still in their first attempt when the last healthy delivery arrives, and the
// others are retried all the time.
func TestHostileEndpointsDelayNobody(t *testing.T) {
	const mostMemory = 512 << 20 // bytes from the system in total, including the hostile endpoints
	healthy := receive(t, "", nil)
	s := start(t, t.TempDir(), "WEBHOOK_TIMEOUT=60s", "HOOKFERRY_SHUTDOWN_GRACE=0s", "WEBHOOK_RETRY_SCHEDULE=50ms,100ms,200ms,400ms,800ms,1s,1s,1s")
	hanging := besiege(t, s, hostileEndpoints(t))

	var deliveries []string
	for range 10 {
		sub := s.subscribe(map[string]any{"target_url": healthy.URL})
		for range 20 {
			deliveries = append(deliveries, s.publish(sub, created))
		}
	}
	for _, id := range deliveries {
		if d := s.settled(id); d["status"] != "delivered" {
			t.Errorf("delivery %v", d)
		}
	}
	if n := len(healthy.got()); n != len(deliveries) {
		t.Errorf("the healthy endpoint was called %d times for %d deliveries", n, len(deliveries))
	}
	for _, id := range hanging {
		if d := s.want(http.StatusOK, "GET", "/status/delivery/"+id, nil); d["status"] != "pending" || len(d["attempts"].([]any)) > 0 {
			t.Errorf("a delivery to an endpoint that hangs ended before the healthy ones: %v", d)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.Sys > mostMemory {
		t.Errorf("%d MiB of memory, want at most %d", m.Sys>>20, mostMemory>>20)
	}
	t.Logf("%d MiB of memory in all", m.Sys>>20)
}

// A response without end occupies its slot, the only one, for a moment instead of the whole
// timeout. Otherwise, three deliveries would take three minutes.
func TestAResponseWithoutAnEndHoldsNoSlot(t *testing.T) {
	s := start(t, t.TempDir(), "WEBHOOK_TIMEOUT=60s")
	for _, name := range []string{"slow-headers", "slow-body"} {
		kind, err := hostile.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		endless, err := hostile.Listen(kind, hostile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(endless.Close)
		sub := s.subscribe(map[string]any{"target_url": endless.URL(), "max_in_flight": 1})
		var deliveries []string
		for range 3 {
			deliveries = append(deliveries, s.publish(sub, created))
		}
		for _, id := range deliveries {
			if d := s.settled(id); d["status"] != "delivered" {
				t.Errorf("%s: %v", name, d)
			}
		}
	}
}

// besiege creates hostile endpoints with a delivery each, waits until all have been called, and
// returns the deliveries of those that hang.
func besiege(t *testing.T, s *instance, endpoints int) (hanging []string) {
	t.Helper()
	var all []*hostile.Server
	kinds := hostile.Kinds()
	for i := range endpoints {
		kind := kinds[i%len(kinds)]
		bad, err := hostile.Listen(kind, hostile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bad.Close)
		all = append(all, bad)
		id := s.publish(s.subscribe(map[string]any{"target_url": bad.URL()}), created)
		if slices.Contains(busy, kind.Name) {
			hanging = append(hanging, id)
		}
	}
	await.NoError(t, func() error {
		if i := slices.IndexFunc(all, func(h *hostile.Server) bool { return h.Count().Accepted == 0 }); i >= 0 {
			return fmt.Errorf("hostile endpoint %d was not called", i)
		}
		return nil
	})
	return hanging
}
