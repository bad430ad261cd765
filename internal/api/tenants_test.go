package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPutTenantCreatesAndReplaces(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("PUT", "/tenants/acme", `{"name": "Acme", "metadata": {"plan": "pro"}, "limits": {"publish_per_second": 2.5, "pending": 10, "subscriptions": 3}}`))
	want := map[string]any{
		"id": "acme", "name": "Acme", "metadata": map[string]any{"plan": "pro"},
		"limits":     map[string]any{"publish_per_second": 2.5, "pending": 10.0, "subscriptions": 3.0},
		"created_at": "2026-11-23T17:44:01Z", "updated_at": "2026-11-23T17:44:01Z",
	}
	if diff := cmp.Diff(want, r.json); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, s.want(200, s.do("GET", "/tenants/acme", "")).json); diff != "" {
		t.Errorf("a read differs: %s", diff)
	}
	back := s.want(200, s.do("PUT", "/tenants/acme", r.text)) // what was read can be sent back
	if back.json["created_at"] != r.json["created_at"] || back.json["name"] != "Acme" {
		t.Errorf("responds with %s", back.text)
	}
	empty := s.want(200, s.do("PUT", "/tenants/acme", `{}`))
	if diff := cmp.Diff(map[string]any{"publish_per_second": nil, "pending": nil, "subscriptions": nil}, empty.json["limits"]); diff != "" || empty.json["name"] != "" {
		t.Errorf("absent fields keep their values: %s %s", diff, empty.text)
	}
}

func TestTenantIDs(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		reason, id string
		put, get   int
	}{
		{"plain", "acme", 201, 200},
		{"each allowed character", "Az09._-", 201, 200},
		{"dots alone, but three", "...", 201, 200},
		{"as long as allowed", strings.Repeat("a", 64), 201, 200},
		{"the tenant that always exists", "default", 200, 200},
		{"a word of the API's paths", "events", 201, 200},
		{"a word of JSON", "null", 201, 200},
		{"one byte too long", strings.Repeat("a", 65), 422, 404},
		{"10,000 bytes", strings.Repeat("a", 10_000), 422, 404},
		{"a slash", "a%2Fb", 422, 404},
		{"a blank", "a%20b", 422, 404},
		{"an umlaut", "m%C3%BCller", 422, 404},
		{"NUL", "a%00", 422, 404},
		{"not UTF-8", "%ff", 422, 404},
		{"a line break", "a%0Ab", 422, 404},
		{"percent", "a%25", 422, 404},
		{"a dot leads elsewhere", ".", 404, 404},
		{"two dots", "..", 404, 404},
		{"two dots, escaped", "%2e%2e", 404, 404},
	} {
		if r := s.do("PUT", "/tenants/"+c.id, `{}`); r.status != c.put || c.put == 422 && r.field("tenant") == "" {
			t.Errorf("%s: PUT responds with %d %s", c.reason, r.status, r.text)
		}
		r := s.do("GET", "/tenants/"+c.id, ``)
		if isTenant := c.put == 422; r.status != c.get || isTenant && r.code() != "tenant_not_found" {
			t.Errorf("%s: GET responds with %d %s", c.reason, r.status, r.text)
		}
		if r := s.do("GET", "/subscriptions/?tenant="+c.id, ""); c.put == 422 && (r.status != 404 || r.code() != "tenant_not_found") {
			t.Errorf("%s: a list responds with %d %s", c.reason, r.status, r.text)
		}
	}
}

func TestBadTenantBodies(t *testing.T) {
	s := newServer(t)
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d": ""`, i)
	}
	for _, c := range []struct{ reason, body, field string }{
		{"a name that is too long", `{"name": "` + strings.Repeat("x", 201) + `"}`, "name"},
		{"a name with NUL", `{"name": "a\u0000"}`, "name"},
		{"metadata that is no object", `{"metadata": []}`, "metadata"},
		{"a value that is no text", `{"metadata": {"a": 1}}`, "metadata.a"},
		{"a value of null", `{"metadata": {"a": null}}`, "metadata.a"},
		{"51 entries", `{"metadata": {` + strings.Join(many, ",") + `}}`, "metadata"},
		{"more than 4 KiB", `{"metadata": {"a": "` + strings.Repeat("x", 4096) + `"}}`, "metadata"},
		{"limits that are no object", `{"limits": 3}`, "limits"},
		{"an unknown limit", `{"limits": {"publish_per_minute": 3}}`, "limits.publish_per_minute"},
		{"a limit that is no number", `{"limits": {"pending": "3"}}`, "limits.pending"},
		{"a negative rate", `{"limits": {"publish_per_second": -1}}`, "limits.publish_per_second"},
		{"too many subscriptions", `{"limits": {"subscriptions": 10001}}`, "limits.subscriptions"},
		{"half a delivery", `{"limits": {"pending": 1.5}}`, "limits.pending"},
		{"a misspelled name", `{"metdata": {}}`, "metdata"},
		{"a name given twice", `{"name": "a", "name": "b"}`, "name"},
		{"a limit given twice", `{"limits": {"pending": 1, "pending": 2}}`, "limits.pending"},
	} {
		if r := s.want(422, s.do("PUT", "/tenants/acme", c.body)); r.field(c.field) == "" {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	if r := s.do("PUT", "/tenants/acme", `{"metdata": {}}`); !strings.Contains(r.field("metdata"), "did you mean metadata?") {
		t.Errorf("responds with %s", r.text)
	}
	s.want(404, s.do("GET", "/tenants/acme", ""))
}

func TestDeleteTenant(t *testing.T) {
	s := newServer(t)
	s.want(201, s.do("PUT", "/tenants/acme", `{}`))
	s.want(204, s.do("DELETE", "/tenants/acme", ""))
	for _, r := range []reply{
		s.do("DELETE", "/tenants/acme", ""), s.do("GET", "/tenants/acme", ""), s.do("GET", "/subscriptions/?tenant=acme", ""),
		s.do("GET", "/subscriptions/x?tenant=acme", ""), s.do("POST", "/events/", `{"tenant": "acme", "event": "a", "data": 1}`),
		s.do("POST", "/events/match", `{"tenant": "acme", "event": "a", "data": 1}`),
	} {
		if r.status != 404 || r.code() != "tenant_not_found" || !strings.Contains(r.text, `\"acme\"`) {
			t.Errorf("responds with %d %s", r.status, r.text)
		}
	}
	if r := s.do("DELETE", "/tenants/default", ""); r.status != 409 || r.code() != "tenant_built_in" {
		t.Errorf("responds with %d %s", r.status, r.text)
	}
	s.want(201, s.do("PUT", "/tenants/acme", `{}`))
}

func TestTenantLists(t *testing.T) {
	s := newServer(t)
	for i := range 7 {
		s.want(201, s.do("PUT", fmt.Sprintf("/tenants/t%d", i), fmt.Sprintf(`{"name": "Number %d"}`, i)))
	}
	ids := func(path string) (ids []string, r reply) {
		r = s.want(200, s.do("GET", path, ""))
		for _, item := range r.json["data"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		return ids, r
	}
	first, r := ids("/tenants/?limit=3")
	second, r2 := ids("/tenants/?limit=3&cursor=" + r.json["next"].(string))
	back, r3 := ids("/tenants/?limit=3&cursor=" + r2.json["prev"].(string))
	if diff := cmp.Diff([][]string{{"default", "t0", "t1"}, {"t2", "t3", "t4"}, {"default", "t0", "t1"}}, [][]string{first, second, back}); diff != "" {
		t.Error(diff)
	}
	if r.json["prev"] != nil || r3.json["prev"] != nil || r3.json["next"] == nil {
		t.Errorf("cursors at the start: %s %s", r.text, r3.text)
	}
	for q, want := range map[string][]string{"NUMBER%203": {"t3"}, "T5": {"t5"}, "nothing": nil, "": {"default", "t0", "t1", "t2", "t3", "t4", "t5", "t6"}} {
		if got, _ := ids("/tenants/?q=" + q); !cmp.Equal(got, want) {
			t.Errorf("q=%s finds %v", q, got)
		}
	}
}
