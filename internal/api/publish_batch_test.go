package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// batch publishes events as one batch and returns the results.
func (s *server) batch(events ...string) []map[string]any {
	s.Helper()
	r := s.want(202, s.do("POST", "/events/batch", `{"events": [`+strings.Join(events, ", ")+`]}`))
	var results []map[string]any
	for _, result := range r.json["results"].([]any) {
		results = append(results, result.(map[string]any))
	}
	if len(results) != len(events) {
		s.Fatalf("%d results of %d events", len(results), len(events))
	}
	return results
}

// fieldsOf returns the names of the fields that a result complains of.
func fieldsOf(result map[string]any) (fields []string) {
	list, _ := result["errors"].([]any)
	for _, e := range list {
		fields = append(fields, e.(map[string]any)["field"].(string))
	}
	return fields
}

func TestBatch(t *testing.T) {
	s := newServer(t, refusesBad)
	s.create(minimal)
	results := s.batch(
		`{"event": "a", "data": 0}`,
		`{"event": "a"}`,
		`{"event": "a", "data": 2, "tenant": "nobody"}`,
		`7`,
		`{"event": "a", "data": 4, "data": 5, "colour": 1}`,
		`{"event": "a", "data": 5, "channels": ["ok", "bad"]}`,
		`{"event": "a", "data": 6, "idempotency_key": "k"}`,
		`{"event": "a", "data": 6, "idempotency_key": "k"}`,
		`{"event": "a", "data": 8, "idempotency_key": "k"}`,
		`{"event": "a", "data": 9, "metadata": {"x": 1}}`,
		`null`,
		` { "data" : [ 11 , {} ] , "event":"a" } `,
	)
	for i, want := range []struct {
		status float64 // 0: published
		code   string
		fields []string
		detail string // its beginning
	}{
		{},
		{422, "invalid", []string{"events[1].data"}, "events[1].data: is missing"},
		{404, "tenant_not_found", nil, `No such tenant: "nobody"`},
		{422, "invalid", []string{"events[3]"}, "events[3]: must be a JSON object, found a number"},
		{422, "invalid", []string{"events[4].data", "events[4].colour"}, "events[4].data: is given twice (and 1 more)"},
		{422, "invalid", []string{"events[5].channels[1]"}, "events[5].channels[1]: is refused"},
		{},
		{},
		{422, "idempotency_key_reused", []string{"events[8].Idempotency-Key"}, "This Idempotency-Key was already used"},
		{422, "invalid", []string{"events[9].metadata.x"}, "events[9].metadata.x: must be a string"},
		{422, "invalid", []string{"events[10]"}, "events[10]: must be a JSON object, found null"},
		{},
	} {
		got := results[i]
		if want.status == 0 {
			if got["event_id"] == nil || got["deliveries"] != 1.0 || got["tenant"] != "default" || got["duplicate"] != (i == 7) || got["status"] != nil {
				t.Errorf("event %d: %v", i, got)
			}
			continue
		}
		detail, _ := got["detail"].(string)
		if got["status"] != want.status || got["code"] != want.code || !cmp.Equal(fieldsOf(got), want.fields) || !strings.HasPrefix(detail, want.detail) || got["event_id"] != nil {
			t.Errorf("event %d: %v", i, got)
		}
	}
	var published []string
	for _, p := range s.memory.published {
		published = append(published, string(p.Data))
	}
	if got := strings.Join(published, " "); got != "0 6 [ 11 , {} ]" {
		t.Errorf("published were %s", got)
	}
	if results[6]["event_id"] != results[7]["event_id"] {
		t.Error("one key has two events")
	}
}

func TestBatchSizes(t *testing.T) {
	s := newServer(t)
	one := `{"event": "a", "data": 1}`
	all := make([]string, 1000)
	for i := range all {
		if all[i] = one; i%2 == 1 {
			all[i] = `{"event": "a..b", "data": 1}`
		}
	}
	wrong := 0
	for _, r := range s.batch(all...) {
		if r["status"] == 422.0 {
			wrong++
		}
	}
	if wrong != 500 || len(s.memory.published) != 500 {
		t.Errorf("of 1,000 events, %d were wrong and %d published", wrong, len(s.memory.published))
	}
	s.memory.published = nil
	for _, c := range []struct {
		reason, body string
		status       int
		says         string
	}{
		{"empty", `{"events": []}`, 422, "is empty"},
		{"1,001", `{"events": [` + strings.Repeat(one+",", 1000) + one + `]}`, 422, "has 1001 events; at most 1,000"},
		{"20,000, all wrong", `{"events": [` + strings.Repeat("1,", 19_999) + `1]}`, 422, "has 20000 events"},
		{"32 MiB", `{"events": [{"event": "a", "data": "` + strings.Repeat("x", 32<<20) + `"}]}`, 413, "16777216 bytes"},
		{"no list", `{"events": {}}`, 422, "must be a list"},
		{"null", `{"events": null}`, 422, "must be a list"},
		{"nothing", `{}`, 422, "is missing"},
		{"given twice", `{"events": [` + one + `], "events": [` + one + `]}`, 422, "is given twice"},
		{"another member", `{"events": [` + one + `], "tenant": "default"}`, 422, "tenant: is not a known field"},
		{"a misspelled member", `{"event": [` + one + `]}`, 422, "did you mean events?"},
		{"the list alone", `[` + one + `]`, 422, "must be a JSON object"},
		{"JSON that breaks late", `{"events": [` + one + `, {"event": "a", "data": }]}`, 400, "the JSON breaks at byte"},
		{"JSON that ends early", `{"events": [` + one + `, {"event": "a"`, 400, "the JSON ends before it is complete"},
		{"JSON that breaks beyond 1,000", `{"events": [` + strings.Repeat(one+",", 1000) + `}]}`, 400, "the JSON breaks at byte"},
		{"more after it", `{"events": [` + one + `]} {}`, 400, "more text"},
	} {
		if r := s.do("POST", "/events/batch", c.body); r.status != c.status || !strings.Contains(r.text, c.says) {
			t.Errorf("%s: responds with %d %.300s", c.reason, r.status, r.text)
		}
	}
	if r := s.want(422, s.do("POST", "/events/batch", `{"events": [`+one+`]}`, "Idempotency-Key: k")); !strings.Contains(r.field("Idempotency-Key"), "idempotency_key into each event") {
		t.Errorf("the header responds with %s", r.text)
	}
	if len(s.memory.published) > 0 {
		t.Errorf("%d events were published", len(s.memory.published))
	}
}

// An event of a batch may be as long as one alone, and the batch longer.
func TestBatchItemSizes(t *testing.T) {
	s := newServer(t, func(o *Options) { o.MaxBody = 100 })
	event := func(n int) string {
		return fmt.Sprintf(`{"event": "a", "data": %*d}`, n-len(`{"event": "a", "data": }`), 1)
	}
	results := s.batch(event(100), "   "+event(100), event(101), event(5000), event(30))
	for i, status := range []any{nil, nil, 413.0, 413.0, nil} {
		if results[i]["status"] != status {
			t.Errorf("event %d: %v", i, results[i])
		}
	}
	if results[3]["code"] != "body_too_large" || !strings.Contains(results[3]["detail"].(string), "events[3] is longer than the limit of 100 bytes") {
		t.Errorf("%v", results[3])
	}
	s.want(413, s.do("POST", "/events/", event(101)))
}

func TestEventsOfABatchThatFail(t *testing.T) {
	s := newServer(t)
	s.memory.fail = event.ErrNotTaken
	if r := s.batch(`{"event": "a", "data": 1}`)[0]; r["status"] != 503.0 || r["code"] != "not_taken" {
		t.Errorf("%v", r)
	}
	s.memory.fail = fmt.Errorf("the disk is on fire, and %s", "nobody expects it")
	if r := s.batch(`{"event": "a", "data": 1}`)[0]; r["status"] != 500.0 || r["code"] != "internal_error" || strings.Contains(r["detail"].(string), "fire") {
		t.Errorf("%v", r)
	}
	if !strings.Contains(s.log.String(), "on fire") {
		t.Error("the log does not say what went wrong")
	}
}

// A body of 16 MiB may name a million unknown fields. The response stays small.
func TestBatchResponsesAreSmall(t *testing.T) {
	s := newServer(t)
	var one strings.Builder
	one.WriteString(`{"event": "a", "data": 1`)
	for i := range 1000 {
		fmt.Fprintf(&one, `, "x%d": 1`, i)
	}
	one.WriteString("}")
	results := s.batch(slices.Repeat([]string{one.String()}, 200)...)
	for i, r := range results {
		if r["status"] != 422.0 || len(fieldsOf(r)) != maxItemProblems {
			t.Fatalf("event %d: %v", i, r)
		}
	}
	if r := s.do("POST", "/events/", one.String()); r.status != 422 || len(fieldsOf(r.json)) != maxFieldProblems {
		t.Errorf("one event: %d %s", r.status, r.text)
	}
}
