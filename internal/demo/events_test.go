package demo

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/event"
)

func TestPlan(t *testing.T) {
	all := endpoints(usualPace())
	for _, n := range []int{FewestEvents, 21, 399, 400, MostEvents} {
		plan := planEvents(n, all)
		if len(plan) != n {
			t.Errorf("%d events were planned, not %d", len(plan), n)
		}
		got := make([]int, len(all))
		doomed := true
		for i, p := range plan {
			e := all[p.endpoint]
			got[p.endpoint]++
			if event.CheckEventType(p.eventType) != "" || !event.Wants(e.settings.EventTypes, p.eventType) {
				t.Fatalf("%s gets %s, which it does not want", e.name, p.eventType)
			}
			if !json.Valid(p.data) {
				t.Fatalf("%s is not JSON: %s", p.eventType, p.data)
			}
			if isDoomed := e.finalStatus == client.Failed; isDoomed && !doomed {
				t.Fatalf("event %d of %d, for %s, is not among the first", i, n, e.name)
			} else {
				doomed = isDoomed
			}
		}
		for i, e := range all {
			if got[i] < 1 || e.most > 0 && got[i] > e.most {
				t.Errorf("of %d events %s gets %d", n, e.name, got[i])
			}
		}
		if n >= 400 && got[0] < n/3 {
			t.Errorf("of %d events only %d go to the first endpoint", n, got[0])
		}
	}
}

// The events are always the same, and hardly any two are alike.
func TestPlanIsTheSameEveryTime(t *testing.T) {
	first, second := planEvents(400, endpoints(usualPace())), planEvents(400, endpoints(usualPace()))
	kinds, all := map[string]bool{}, map[string]bool{}
	for i, p := range first {
		if p.eventType != second[i].eventType || p.endpoint != second[i].endpoint || len(p.data) != len(second[i].data) {
			t.Fatalf("event %d differs", i)
		}
		kinds[p.eventType] = true
		all[string(p.data)] = true
	}
	if len(kinds) < 10 || len(all) < 390 {
		t.Errorf("%d types and %d different events of 400", len(kinds), len(all))
	}
	if !bytes.Contains(first[300].data, []byte(`"id":`)) {
		t.Errorf("got %s", first[300].data)
	}
}
