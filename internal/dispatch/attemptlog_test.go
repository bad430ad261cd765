package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// lines are log lines by message.
func lines(t *testing.T, log *bytes.Buffer) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	for text := range strings.Lines(log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		message := line["msg"].(string)
		all[message] = append(all[message], line)
	}
	return all
}

// logInto makes the rig log into lines.
func (r *rig) logInto(log *bytes.Buffer) { r.o.Log = slog.New(slog.NewJSONHandler(log, nil)) }

// sum adds up a number over lines.
func sum(lines []map[string]any, name string) (n float64) {
	for _, line := range lines {
		v, _ := line[name].(float64)
		n += v
	}
	return n
}

func TestWhichAttemptsAreLogged(t *testing.T) {
	for _, tt := range []struct {
		why    string
		all    bool
		status int
		events int
		want   int // how many lines about attempts
	}{
		{"success, by default", false, 200, 100, 0},
		{"success, all", true, 200, 100, 100},
		{"few failures, by default", false, 410, 5, 5},
		{"a flood of failures, by default", false, 410, 100, linesOfOne},
		{"a flood of failures, all", true, 410, 100, 100},
	} {
		inBubble(t, func(r *rig) {
			var log bytes.Buffer
			r.logInto(&log)
			r.o.LogAllAttempts, r.endpoint = tt.all, answers(tt.status, 0)
			r.run()
			sub := r.subscribe()
			for range tt.events {
				r.ingest(sub)
				r.wait(time.Millisecond)
			}
			r.wait(time.Second)
			r.stop()
			got := lines(t, &log)
			if n := len(got["attempt"]); n != tt.want {
				t.Errorf("%s: %d lines, want %d", tt.why, n, tt.want)
			}
			summaries := got["summary of attempts"]
			if len(summaries) != 1 || summaries[0]["attempts"] != float64(tt.events) {
				t.Errorf("%s: the summary at the end is %v", tt.why, summaries)
			}
			if omitted := sum(summaries, "lines_omitted"); !tt.all && tt.status != 200 && omitted != float64(tt.events-tt.want) {
				t.Errorf("%s: the summary counts %v omitted lines", tt.why, omitted)
			}
		})
	}
}

// TestSummaries checks that there is one summary a minute, and none for a minute without attempts.
func TestSummaries(t *testing.T) {
	inBubble(t, func(r *rig) {
		var log bytes.Buffer
		r.logInto(&log)
		r.run()
		sub := r.subscribe()
		for _, n := range []int{3, 0, 2} {
			for range n {
				r.ingest(sub)
			}
			r.wait(summaryInterval)
		}
		r.wait(10 * time.Minute)
		r.stop()
		got := lines(t, &log)["summary of attempts"]
		if len(got) != 2 || got[0]["attempts"] != 3.0 || got[0]["delivered"] != 3.0 || got[1]["attempts"] != 2.0 || got[1]["failed_attempts"] != 0.0 {
			t.Errorf("the summaries are %v, want one of 3 and one of 2", got)
		}
	})
}

// TestAnEndpointThatComesBack checks that one line says so and for how long the endpoint failed,
// and that omitted lines are counted.
func TestAnEndpointThatComesBack(t *testing.T) {
	inBubble(t, func(r *rig) {
		var log bytes.Buffer
		r.logInto(&log)
		works := false
		r.endpoint = func(ctx context.Context, _ event.Subscription, _ event.Claimed) event.Outcome {
			if works {
				return answer(ctx, 200, 0)
			}
			return answer(ctx, 410, 0)
		}
		r.run()
		sub := r.subscribe()
		publish := func(n int) {
			for range n {
				r.ingest(sub)
				r.wait(time.Millisecond)
			}
		}
		publish(15)
		r.wait(summaryInterval)
		publish(1)
		works = true
		publish(5)
		r.stop()
		got := lines(t, &log)
		if again := got["endpoint succeeds again"]; len(again) != 1 || again[0]["failed_attempts"] != 16.0 || again[0]["failing_ms"].(float64) < 60_000 {
			t.Errorf("the lines about the recovery are %v", again)
		}
		if n := len(got["attempt"]); n != linesOfOne+1 || got["attempt"][linesOfOne]["omitted_before"] != 5.0 {
			t.Errorf("%d lines, the last of them %v; want %d lines, and 5 omitted before the last", n, got["attempt"][n-1], linesOfOne+1)
		}
		if failing := sum(got["summary of attempts"][:1], "endpoints_without_success"); failing != 1 {
			t.Errorf("%v endpoints fail in the first summary", failing)
		}
	})
}

// TestTheLogIsBounded checks that neither many endpoints nor one that fails every other time
// exceed the limits, and that endpoints are forgotten.
func TestTheLogIsBounded(t *testing.T) {
	settled := func(sub event.ID, code event.Code) (s event.Settlement) {
		s.Delivery.SubscriptionID = sub
		s.Attempt.Outcome.StatusCode, s.Attempt.Outcome.Code = 200, code
		return s
	}
	now := time.Now()
	l := newAttemptLog()
	said := 0
	count := func(v verdict) {
		if v.line {
			said++
		}
	}
	for i := range 10_000 {
		count(l.note(settled(event.ID{byte(i), byte(i >> 8)}, event.CodeStatus), now))
	}
	if said != linesOfAll {
		t.Errorf("10,000 endpoints have %d lines, want %d", said, linesOfAll)
	}
	if c := l.summary(now); c.omitted != 10_000-linesOfAll || c.failingEndpoints != 10_000 {
		t.Errorf("the summary is %+v", c)
	}
	said = 0
	for range 1000 {
		count(l.note(settled(event.ID{1}, event.CodeStatus), now))
		count(l.note(settled(event.ID{1}, ""), now))
	}
	if said != linesOfOne {
		t.Errorf("one that fails every other time has %d lines, want %d", said, linesOfOne)
	}
	l.summary(now.Add(2 * forgetAfter))
	if len(l.endpoints) != 0 || l.failing.Load() != 0 {
		t.Errorf("%d endpoints are remembered", len(l.endpoints))
	}
}
