package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

const minimal = `{"target_url": "https://example.com/hook"}`

func TestCreateRespondsWithEveryField(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("POST", "/subscriptions/", `{
		"target_url": "https://example.com/hook", "secret": "`+testSecret+`", "description": "orders",
		"event_types": ["order.*"], "require_signature": true, "headers": {"X-Team": "shop", "Authorization": "`+testCredential+`"},
		"timeout_seconds": 2.5, "retry_schedule_seconds": [0.5, 60], "max_in_flight": 4, "rate_per_second": 20, "body": "data"}`))
	id := r.json["id"].(string)
	delete(r.json, "warnings") // of the secret
	want := map[string]any{
		"id": id, "tenant": "default", "uid": nil, "name": "", "channels": []any{}, "filter": nil, "metadata": map[string]any{}, "state": "healthy",
		"target_url": "https://example.com/hook", "description": "orders", "event_types": []any{"order.*"},
		"is_active": true, "disabled_reason": nil, "require_signature": true, "has_secret": true,
		"paused_at": nil, "paused_by": nil, "paused_reason": nil, "failing_since": nil, "refused_since": nil, "not_before": nil,
		"headers":         map[string]any{"X-Team": "shop", "Authorization": "[hidden]"},
		"timeout_seconds": 2.5, "retry_schedule_seconds": []any{0.5, 60.0}, "max_in_flight": 4.0, "rate_per_second": 20.0, "body": "data",
		"created_at": "2026-11-23T17:44:01Z", "updated_at": "2026-11-23T17:44:01Z",
	}
	if diff := cmp.Diff(want, r.json); diff != "" {
		t.Error(diff)
	}
	if got := r.header.Get("Location"); got != "../subscriptions/"+id {
		t.Errorf("Location is %q", got)
	}
	if diff := cmp.Diff(want, s.want(200, s.do("GET", "/subscriptions/"+id, "")).json); diff != "" {
		t.Errorf("a read differs from the create: %s", diff)
	}
}

func TestCreateFillsInDefaults(t *testing.T) {
	absent := newServer(t).do("POST", "/subscriptions", minimal)
	null := newServer(t).do("POST", "/subscriptions/", `{"target_url": "https://example.com/hook", "secret": null, "description": null, "event_types": null,
		"is_active": null, "require_signature": null, "headers": null, "timeout_seconds": null, "retry_schedule_seconds": null, "max_in_flight": null, "rate_per_second": null, "body": null,
		"tenant": null, "uid": null, "name": null, "channels": null, "filter": null, "metadata": null, "generate_secret": null}`)
	for _, r := range []reply{absent, null} {
		delete(r.json, "id")
		want := map[string]any{
			"tenant": "default", "uid": nil, "name": "", "channels": []any{}, "filter": nil, "metadata": map[string]any{}, "state": "healthy",
			"target_url": "https://example.com/hook", "description": "", "event_types": []any{}, "is_active": true, "disabled_reason": nil,
			"paused_at": nil, "paused_by": nil, "paused_reason": nil, "failing_since": nil, "refused_since": nil, "not_before": nil,
			"require_signature": false, "has_secret": false, "headers": map[string]any{}, "timeout_seconds": nil, "retry_schedule_seconds": nil,
			"max_in_flight": nil, "rate_per_second": nil, "body": "envelope", "created_at": "2026-11-23T17:44:01Z", "updated_at": "2026-11-23T17:44:01Z",
		}
		if diff := cmp.Diff(want, r.json); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEmptyScheduleMeansNoRetries(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com/hook", "retry_schedule_seconds": []}`)
	r := s.do("GET", "/subscriptions/"+id, "")
	if diff := cmp.Diff([]any{}, r.json["retry_schedule_seconds"]); diff != "" {
		t.Error(diff)
	}
	if policy := s.memory.subscriptions[0].RetrySchedule; policy == nil || len(policy) != 0 {
		t.Errorf("stored as %#v", policy)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		reason, body string
		warned       []string // beginning of each warning
	}{
		{"nothing unwise", `"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`, nil},
		{"a secret that could be guessed", `"secret": "my_secret_key"`, []string{"secret does not begin with whsec_", "secret is shorter than 16 bytes"}},
		{"a text", `"secret": "0123456789abcdef"`, []string{"secret does not begin with whsec_"}},
		{"a key of 5 bytes", `"secret": "whsec_c2hvcnQ="`, []string{"secret is shorter than 16 bytes"}},
		{"a key of 16 bytes", `"secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="`, []string{"secret has a key of 16 bytes"}},
		{"every event", `"event_types": ["*"]`, nil},
		{"an event type called all", `"event_types": ["all.users"]`, nil},
		{"all", `"event_types": ["all"]`, []string{`event_types[0] is "all", which matches only events of exactly that type`}},
		{"ANY after another type", `"event_types": ["user.created", "ANY"]`, []string{`event_types[1] is "ANY"`}},
		{"everything", `"event_types": ["Everything"]`, []string{`event_types[0] is "Everything"`}},
	} {
		s := newServer(t)
		r := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com/hook", `+c.body+`}`))
		got, _ := r.json["warnings"].([]any)
		if len(got) != len(c.warned) {
			t.Errorf("%s: %s", c.reason, r.text)
		}
		for i := range min(len(got), len(c.warned)) {
			if !strings.HasPrefix(got[i].(string), c.warned[i]) {
				t.Errorf("%s: %s", c.reason, r.text)
			}
		}
		r = s.want(200, s.do("GET", "/subscriptions/"+r.json["id"].(string), ""))
		if _, warned := r.json["warnings"]; warned || strings.Contains(r.text, "my_secret_key") {
			t.Errorf("a read responds with %s", r.text)
		}
	}
}

func TestReplaceGoesBackToDefaultsAndKeepsTheSecret(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com/hook", "secret": "` + testSecret + `", "description": "old", "event_types": ["a"], "timeout_seconds": 3, "headers": {"X-A": "1"}}`)
	r := s.want(200, s.do("PUT", "/subscriptions/"+id, `{"target_url": "https://example.com/new", "require_signature": true}`))
	if r.json["description"] != "" || r.json["timeout_seconds"] != nil || len(r.json["event_types"].([]any)) != 0 || len(r.json["headers"].(map[string]any)) != 0 {
		t.Errorf("missing fields were not reset: %s", r.text)
	}
	if r.json["target_url"] != "https://example.com/new" || r.json["has_secret"] != true || r.json["created_at"] == r.json["updated_at"] {
		t.Errorf("the fields in the request were not set: %s", r.text)
	}
	if got := s.memory.subscriptions[0].Secrets; len(got) != 1 || string(got[0]) != testSecret {
		t.Error("the secret was not kept")
	}
	if s.memory.replaced.Secrets != nil {
		t.Error("the store was given the old secret, which another change may have replaced")
	}
	s.want(200, s.do("PUT", "/subscriptions/"+id, `{"target_url": "https://example.com/new", "secret": "another-secret-of-its-own"}`))
	if got := s.memory.subscriptions[0].Secrets; len(got) != 1 || string(got[0]) != "another-secret-of-its-own" {
		t.Error("the secret was not replaced")
	}
}

func TestReadSubscriptionCanBeSentBack(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com/hook", "secret": "short", "event_types": ["a.*"], "retry_schedule_seconds": [], "max_in_flight": 2,
		"headers": {"X-Api-Key": "` + testCredential + `", "Cookie": "` + testCredential + `", "X-Note": "[hidden]"}}`)
	before := s.memory.subscriptions[0]
	read := s.do("GET", "/subscriptions/"+id, "")
	s.want(200, s.do("PUT", "/subscriptions/"+id, strings.Replace(read.text, "X-Api-Key", "x-api-key", 1)))
	after := s.memory.subscriptions[0]
	if after.Headers["x-api-key"] != testCredential || after.Headers["Cookie"] != testCredential || after.Headers["X-Note"] != "[hidden]" {
		t.Error("headers were not kept")
	}
	before.UpdatedAt, before.Headers, before.Revision = after.UpdatedAt, after.Headers, before.Revision+1
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestReplaceActivates(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	disable := func() {
		s.memory.subscriptions[0].Active, s.memory.subscriptions[0].DisabledReason = false, "the endpoint responded with 410 Gone"
	}
	for _, c := range []struct {
		body   string
		active bool
		why    any
		reason string
	}{
		{`{"target_url": "https://example.com/hook", "is_active": false}`, false, "the endpoint responded with 410 Gone", "still inactive for the same reason"},
		{`{"target_url": "https://example.com/hook", "is_active": true}`, true, nil, "activated"},
		{`{"target_url": "https://example.com/hook"}`, true, nil, "true is the default"},
	} {
		disable()
		r := s.want(200, s.do("PUT", "/subscriptions/"+id, c.body))
		if r.json["is_active"] != c.active || r.json["disabled_reason"] != c.why {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	r := s.want(200, s.do("PUT", "/subscriptions/"+id, `{"target_url": "https://example.com/hook", "is_active": false}`))
	if r.json["is_active"] != false || r.json["disabled_reason"] != nil {
		t.Errorf("the reason was kept although a caller deactivated it: %s", r.text)
	}
}

func TestDeleteLeavesOnlyTheHistory(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	delivery := s.ingest(id)
	s.memory.attempt(delivery, event.Outcome{StartedAt: testTime, StatusCode: 200})
	r := s.want(204, s.do("DELETE", "/subscriptions/"+id, ""))
	if r.text != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("204 has a body: %q", r.text)
	}
	s.want(404, s.do("DELETE", "/subscriptions/"+id, ""))
	s.want(404, s.do("GET", "/subscriptions/"+id, ""))
	s.want(404, s.do("PUT", "/subscriptions/"+id, minimal))
	s.want(404, s.do("POST", "/webhooks/ingest/"+id, `{"event":"a","data":1}`))
	s.want(200, s.do("GET", "/status/delivery/"+delivery.String(), ""))
	if r := s.want(200, s.do("GET", "/status/subscription/"+id, "")); len(r.json["data"].([]any)) != 1 {
		t.Errorf("the history is gone: %s", r.text)
	}
	if r := s.do("GET", "/subscriptions/", ""); len(r.json["data"].([]any)) != 0 {
		t.Errorf("it is listed: %s", r.text)
	}
}

func TestListsComeInPages(t *testing.T) {
	s := newServer(t)
	var ids []any
	for range 5 {
		ids = append([]any{s.create(minimal)}, ids...)
	}
	var got []any
	path, pages := "/subscriptions/?limit=2", 0
	for next := ""; ; pages++ {
		r := s.want(200, s.do("GET", path+next, ""))
		for _, item := range r.json["data"].([]any) {
			got = append(got, item.(map[string]any)["id"])
		}
		cursor, more := r.json["next"].(string)
		if !more {
			break
		}
		next = "&cursor=" + cursor
	}
	if diff := cmp.Diff(ids, got); diff != "" || pages != 2 {
		t.Errorf("after %d pages: %s", pages, diff)
	}
	if s.do("GET", "/subscriptions", ""); s.memory.asked != defaultLimit+1 {
		t.Errorf("the store was asked for %d", s.memory.asked)
	}
	if s.want(200, s.do("GET", "/subscriptions?limit=250", "")); s.memory.asked != maxLimit+1 {
		t.Errorf("the store was asked for %d", s.memory.asked)
	}
	if r := s.want(200, s.do("GET", "/subscriptions/?limit=5", "")); r.json["next"] != nil {
		t.Errorf("a full last page has a next: %s", r.text)
	}
}
