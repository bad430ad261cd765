package api

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// everySet is a subscription in which no field has its default.
const everySet = `{"target_url": "https://example.com/hook", "secret": "` + testSecret + `", "description": "orders", "event_types": ["a", "b.*"],
	"is_active": false, "require_signature": true, "headers": {"X-Team": "shop", "Authorization": "` + testCredential + `"},
	"timeout_seconds": 1.234567, "retry_schedule_seconds": [10, 60], "max_in_flight": 4, "rate_per_second": 20, "body": "data"}`

func TestPatch(t *testing.T) {
	for _, c := range []struct {
		reason, body string
		want         map[string]any // the changed fields and their values
	}{
		{"nothing", `{}`, nil},
		{"one field", `{"description": "new"}`, map[string]any{"description": "new"}},
		{"two fields", `{"description": "new", "max_in_flight": 9}`, map[string]any{"description": "new", "max_in_flight": 9.0}},
		{"the URL", `{"target_url": "https://example.org/"}`, map[string]any{"target_url": "https://example.org/"}},
		{"a default, given by its value", `{"description": "", "rate_per_second": 0}`, map[string]any{"description": "", "rate_per_second": nil}},
		{"null resets a text", `{"description": null}`, map[string]any{"description": ""}},
		{"null resets a list", `{"event_types": null}`, map[string]any{"event_types": []any{}}},
		{"null resets to true", `{"is_active": null}`, map[string]any{"is_active": true, "state": "healthy"}},
		{"null resets to false", `{"require_signature": null}`, map[string]any{"require_signature": false}},
		{"null resets to the settings of the service", `{"timeout_seconds": null, "retry_schedule_seconds": null, "max_in_flight": null, "rate_per_second": null, "body": null}`, map[string]any{
			"timeout_seconds": nil, "retry_schedule_seconds": nil, "max_in_flight": nil, "rate_per_second": nil, "body": "envelope",
		}},
		{"an empty schedule differs from the schedule of the service", `{"retry_schedule_seconds": []}`, map[string]any{"retry_schedule_seconds": []any{}}},
		{"a list is replaced as a whole", `{"event_types": ["c"]}`, map[string]any{"event_types": []any{"c"}}},
		{"a list of delays, too", `{"retry_schedule_seconds": [5]}`, map[string]any{"retry_schedule_seconds": []any{5.0}}},
		{"false is not null", `{"is_active": false}`, nil},
		{"the secret is removed", `{"secret": null, "require_signature": false}`, map[string]any{"has_secret": false, "require_signature": false}},
		{"the secret is replaced", `{"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}`, nil},
		{"the secret stays", `{"secret": "[hidden]"}`, nil},
		{"a header is added", `{"headers": {"X-New": "1"}}`, map[string]any{"headers": map[string]any{"X-Team": "shop", "Authorization": hidden, "X-New": "1"}}},
		{"a header is changed", `{"headers": {"X-Team": "sales"}}`, map[string]any{"headers": map[string]any{"X-Team": "sales", "Authorization": hidden}}},
		{"a header is changed, in another case", `{"headers": {"x-team": "sales"}}`, map[string]any{"headers": map[string]any{"x-team": "sales", "Authorization": hidden}}},
		{"a header is removed", `{"headers": {"X-Team": null}}`, map[string]any{"headers": map[string]any{"Authorization": hidden}}},
		{"a header is removed, in another case", `{"headers": {"AUTHORIZATION": null}}`, map[string]any{"headers": map[string]any{"X-Team": "shop"}}},
		{"an unknown header is removed", `{"headers": {"X-Other": null}}`, nil},
		{"a header keeps its value", `{"headers": {"Authorization": "[hidden]"}}`, nil},
		{"a header keeps its value, one is added, one removed", `{"headers": {"Authorization": "[hidden]", "X-New": "1", "X-Team": null}}`, map[string]any{"headers": map[string]any{"Authorization": hidden, "X-New": "1"}}},
		{"an empty object of headers", `{"headers": {}}`, nil},
		{"all headers are removed", `{"headers": null}`, map[string]any{"headers": map[string]any{}}},
		{"read-only fields are ignored", `{"id": "mine", "created_at": null, "updated_at": 5, "has_secret": false, "disabled_reason": {}, "held_reason": "x", "paused_at": 1, "paused_by": "me", "paused_reason": "x", "warnings": [1]}`, nil},
	} {
		for _, media := range []string{"application/json", mergePatch, mergePatch + "; charset=utf-8"} {
			s := newServer(t)
			id := s.create(everySet)
			before := s.memory.subscriptions[0]
			want := s.do("GET", "/subscriptions/"+id, "").json
			for name, value := range c.want {
				want[name] = value
			}
			r := s.want(200, s.do("PATCH", "/subscriptions/"+id, c.body, "Content-Type: "+media))
			if r.json["updated_at"] == want["updated_at"] {
				t.Errorf("%s: updated_at stays", c.reason)
			}
			delete(r.json, "updated_at")
			delete(want, "updated_at")
			if diff := cmp.Diff(want, r.json); diff != "" {
				t.Errorf("%s, as %s: %s", c.reason, media, diff)
			}
			after := s.memory.subscriptions[0]
			if _, named := c.want["timeout_seconds"]; !named && after.Timeout != before.Timeout {
				t.Errorf("%s: the timeout was %v and is %v", c.reason, before.Timeout, after.Timeout)
			}
			if value, has := lookUp(after.Headers, "Authorization"); has && value != testCredential {
				t.Errorf("%s: the hidden header was not kept", c.reason)
			}
		}
	}
}

func TestPatchOfTheSecret(t *testing.T) {
	for _, c := range []struct {
		reason, body string
		given, after []event.Secret // what the store gets, and what it then contains
	}{
		{"not named: the store keeps its secret, even if it has changed in the meantime", `{"description": "x"}`, nil, []event.Secret{testSecret}},
		{"null", `{"secret": null}`, []event.Secret{}, []event.Secret{}},
		{"[hidden]", `{"secret": "[hidden]"}`, nil, []event.Secret{testSecret}},
		{"another", `{"secret": "another-secret-of-its-own"}`, []event.Secret{"another-secret-of-its-own"}, []event.Secret{"another-secret-of-its-own"}},
	} {
		s := newServer(t)
		id := s.create(`{` + good + `, "secret": "` + testSecret + `"}`)
		s.want(200, s.do("PATCH", "/subscriptions/"+id, c.body))
		if diff := cmp.Diff(plain(c.given), plain(s.memory.replaced.Secrets)); diff != "" {
			t.Errorf("%s: the store was given %s", c.reason, diff)
		}
		if diff := cmp.Diff(plain(c.after), plain(s.memory.subscriptions[0].Secrets)); diff != "" {
			t.Errorf("%s: the store has %s", c.reason, diff)
		}
	}
	s := newServer(t)
	id := s.create(`{` + good + `}`)
	r := s.want(200, s.do("PATCH", "/subscriptions/"+id, `{"secret": "short"}`))
	if r.json["has_secret"] != true || r.json["warnings"] == nil {
		t.Errorf("a weak secret is accepted without a warning: %s", r.text)
	}
}

func plain(secrets []event.Secret) []string {
	if secrets == nil {
		return nil
	}
	texts := []string{}
	for _, s := range secrets {
		texts = append(texts, string(s))
	}
	return texts
}

// A PATCH is refused with the messages of a PUT, and nothing of it is stored.
func TestBadPatches(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range badBodies {
		if strings.Contains(c.reason, "is missing") || c.reason == "a header that is null" {
			continue // a patch may have this
		}
		put, patch := s.do("PUT", "/subscriptions/"+id, c.body), s.do("PATCH", "/subscriptions/"+id, c.body)
		if patch.status != c.status || patch.field(c.field) == "" || patch.json["detail"] != put.json["detail"] {
			t.Errorf("%s: responds with %d %s, and a PUT %s", c.reason, patch.status, patch.text, put.text)
		}
	}
	for _, c := range []struct{ reason, body, field string }{
		{"an unknown field", `{"colour": 1}`, "colour"},
		{"an unknown field with null", `{"colour": null}`, "colour"},
		{"the URL can't be removed", `{"target_url": null}`, "target_url"},
		{"one valid field and one invalid field", `{"description": "x", "max_in_flight": -1}`, "max_in_flight"},
		{"an element that is null", `{"event_types": ["a", null]}`, "event_types[1]"},
		{"a header that is an object", `{"headers": {"A": {"b": null}}}`, "headers.A"},
		{"a header set and removed at once", `{"headers": {"A": "1", "a": null}}`, "headers.A"},
		{"a header set twice, in different case", `{"headers": {"A": "1", "a": "2"}}`, "headers.a"},
		{"[hidden] without a stored secret", `{"secret": "[hidden]"}`, "secret"},
		{"require_signature without a secret", `{"require_signature": true}`, "require_signature"},
	} {
		if r := s.want(422, s.do("PATCH", "/subscriptions/"+id, c.body)); r.field(c.field) == "" {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	with := s.create(`{` + good + `, "secret": "` + testSecret + `", "require_signature": true}`)
	if r := s.want(422, s.do("PATCH", "/subscriptions/"+with, `{"secret": null}`)); r.field("require_signature") == "" {
		t.Errorf("the secret that signatures need was removed: %s", r.text)
	}
	if got := s.memory.subscriptions[0]; s.memory.replaced.ID != (event.ID{}) || got.Description != "" {
		t.Errorf("something was stored: %+v", got)
	}
}

// A setting of the service or a new release may make stored fields invalid. That does not prevent
// other changes.
func TestPatchChecksWhatItChanges(t *testing.T) {
	for _, c := range []struct {
		reason, body string
		status       int
	}{
		{"another field", `{"is_active": false}`, 200},
		{"the same URL, which the guard now refuses", `{"target_url": "http://10.0.0.1/"}`, 422},
		{"the same schedule, which is now too long", `{"retry_schedule_seconds": [999999]}`, 422},
		{"both are corrected", `{"target_url": "https://example.com/", "retry_schedule_seconds": null}`, 200},
		{"one of them is corrected", `{"target_url": "https://example.com/"}`, 200},
		{"another field, made wrong", `{"max_in_flight": -1}`, 422},
		{"a change that makes another field invalid", `{"secret": null}`, 422},
	} {
		s := newServer(t)
		id := s.create(`{` + good + `, "secret": "` + testSecret + `", "require_signature": true}`)
		stored := &s.memory.subscriptions[0]
		stored.TargetURL, stored.RetrySchedule = "http://10.0.0.1/", event.RetryPolicy{999999 * time.Second}
		if r := s.do("PATCH", "/subscriptions/"+id, c.body); r.status != c.status {
			t.Errorf("%s: responds with %d %s", c.reason, r.status, r.text)
		}
	}
}

func TestPatchAcceptsOnlyMergePatches(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, media := range []string{"", "text/plain", "application/json-patch+json", "application/vnd.api+json", "application/merge-patch"} {
		r := s.want(415, s.do("PATCH", "/subscriptions/"+id, `{"description": "x"}`, "Content-Type: "+media))
		if detail, _ := r.json["detail"].(string); r.code() != "unsupported_media_type" || !strings.Contains(detail, "application/json") {
			t.Errorf("%q responds with %s", media, r.text)
		}
	}
	r := s.do("PATCH", "/subscriptions/"+id, `[{"op": "remove", "path": "/description"}]`, "Content-Type: application/json-patch+json")
	if got := r.header.Get("Accept-Patch"); got != "application/merge-patch+json, application/json" {
		t.Errorf("Accept-Patch is %q", got)
	}
	s.want(404, s.do("PATCH", "/subscriptions/"+event.NewID(testTime).String(), `{}`))
	s.want(204, s.do("DELETE", "/subscriptions/"+id, ""))
	s.want(404, s.do("PATCH", "/subscriptions/"+id, `{}`))
}

func TestPatchKeepsTheDisabledReason(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	s.memory.subscriptions[0].Active, s.memory.subscriptions[0].DisabledReason = false, "the endpoint responded with 410 Gone"
	r := s.want(200, s.do("PATCH", "/subscriptions/"+id, `{"description": "x"}`))
	if r.json["is_active"] != false || r.json["disabled_reason"] != "the endpoint responded with 410 Gone" {
		t.Errorf("responds with %s", r.text)
	}
	r = s.want(200, s.do("PATCH", "/subscriptions/"+id, `{"is_active": true}`))
	if r.json["is_active"] != true || r.json["disabled_reason"] != nil || r.json["description"] != "x" {
		t.Errorf("responds with %s", r.text)
	}
}

// Headers that can't be decrypted would be lost, because a patch could not keep them.
func TestPatchOfASealedSubscription(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	s.memory.subscriptions[0].Sealed = "its secrets are encrypted with the master key abc"
	for _, body := range []string{`{}`, `{"is_active": false}`, `{"secret": "another-secret-of-its-own", "headers": {}}`} {
		if r := s.want(503, s.do("PATCH", "/subscriptions/"+id, body)); r.code() != "secrets_sealed" || s.memory.replaced.ID != (event.ID{}) {
			t.Errorf("%s responds with %s", body, r.text)
		}
	}
}

func TestReplaceWarnsOfResets(t *testing.T) {
	const allFields = "description, event_types, is_active, require_signature, headers, timeout_seconds, retry_schedule_seconds, max_in_flight, rate_per_second and body were reset to their defaults, because "
	for _, c := range []struct{ reason, before, put, warns string }{
		{"everything", everySet, minimal, allFields},
		{"null is not a value", everySet, `{` + good + `, "description": null, "event_types": null, "is_active": null, "require_signature": null, "headers": null, "timeout_seconds": null,
			"retry_schedule_seconds": null, "max_in_flight": null, "rate_per_second": null, "body": null}`, allFields},
		{"a field that is given needs no warning", everySet, `{` + good + `, "description": "", "event_types": [], "is_active": true, "require_signature": false, "headers": {}, "timeout_seconds": 0,
			"retry_schedule_seconds": [], "max_in_flight": 0, "rate_per_second": 0, "body": "envelope"}`, ""},
		{"only the URL and is_active", `{` + good + `, "event_types": ["a"], "headers": {"X-A": "1"}, "max_in_flight": 3}`, `{` + good + `, "is_active": false}`, "event_types, headers and max_in_flight were reset to their defaults, because "},
		{"one", `{` + good + `, "max_in_flight": 3}`, `{` + good + `, "is_active": false}`, "max_in_flight was reset to its default, because "},
		{"no retries are a value", `{` + good + `, "retry_schedule_seconds": []}`, minimal, "retry_schedule_seconds was reset to its default, because "},
		{"nothing had a value", minimal, minimal, ""},
		{"the secret stays", `{` + good + `, "secret": "` + testSecret + `"}`, minimal, ""},
		{"a value is replaced by another", `{` + good + `, "description": "a"}`, `{` + good + `, "description": "b"}`, ""},
	} {
		s := newServer(t)
		id := s.create(c.before)
		r := s.want(200, s.do("PUT", "/subscriptions/"+id, c.put))
		warnings, _ := json.Marshal(r.json["warnings"])
		if c.warns == "" && r.json["warnings"] != nil || !strings.Contains(string(warnings), c.warns) {
			t.Errorf("%s: the warnings are %s, want %q", c.reason, warnings, c.warns)
		}
	}
}

func TestHiddenSecret(t *testing.T) {
	s := newServer(t)
	if r := s.want(422, s.do("POST", "/subscriptions/", `{`+good+`, "secret": "[hidden]"}`)); r.field("secret") == "" {
		t.Errorf("a create responds with %s", r.text)
	}
	id := s.create(`{` + good + `, "secret": "` + testSecret + `"}`)
	r := s.want(200, s.do("PUT", "/subscriptions/"+id, `{`+good+`, "secret": "[hidden]"}`))
	if r.json["has_secret"] != true || r.json["warnings"] != nil || string(s.memory.subscriptions[0].Secrets[0]) != testSecret {
		t.Errorf("a replace responds with %s", r.text)
	}
	other := s.create(minimal)
	if r := s.want(422, s.do("PUT", "/subscriptions/"+other, `{`+good+`, "secret": "[hidden]"}`)); r.field("secret") == "" {
		t.Errorf("a replace with [hidden] and no stored secret responds with %s", r.text)
	}
}

func FuzzPatchBody(f *testing.F) {
	for _, c := range badBodies {
		if len(c.body) < 1000 {
			f.Add([]byte(c.body))
		}
	}
	for _, body := range []string{`{}`, `{"headers": {"A": null, "a": "1"}}`, `{"secret": null}`, everySet} {
		f.Add([]byte(body))
	}
	for _, e := range patchExamples {
		f.Add([]byte(e.body))
	}
	m := &memory{}
	h := newHandler(f, testOptions(m))
	f.Fuzz(func(t *testing.T, body []byte) {
		m.subscriptions = []event.Subscription{{ID: event.NewID(testTime), Revision: 1, TargetURL: "https://example.com/", Active: true, Headers: event.Headers{"X-Token": testCredential}}}
		req := httptest.NewRequest("PATCH", "/subscriptions/"+m.subscriptions[0].ID.String(), strings.NewReader(string(body)))
		req.Header.Set("Content-Type", mergePatch)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 400 && w.Code != 413 && w.Code != 422 {
			t.Errorf("responds with %d %s", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), testCredential) && !strings.Contains(string(body), testCredential) {
			t.Errorf("shows a credential: %s", w.Body)
		}
		if s := m.subscriptions[0]; s.Check(72*time.Hour) != nil {
			t.Errorf("stored an invalid subscription: %+v", s)
		}
	})
}

// The table of fields contains every settable field, and every field of a response can be sent
// back.
func TestFieldsAreComplete(t *testing.T) {
	var table []string
	for _, f := range subscriptionFields {
		table = append(table, f.name)
	}
	input := sortedNames(fieldsByName(&SubscriptionInput{}))
	if diff := cmp.Diff(input, slices.Sorted(slices.Values(table))); diff != "" {
		t.Errorf("subscriptionFields is not SubscriptionInput: %s", diff)
	}
	replace, patch := fieldsByName(&SubscriptionReplaceInput{}), fieldsByName(&SubscriptionPatchInput{})
	for name := range fieldsByName(&Subscription{}) {
		if !replace[name].IsValid() || !patch[name].IsValid() {
			t.Errorf("%s is in responses, but can't be sent back", name)
		}
	}
}
