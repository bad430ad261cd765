package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

func TestEventTypes(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("POST", "/event-types/", `{"name": "invoice.paid", "description": "x", "schema": {"type": "object", "$comment": "<b>"}, "example": {"id": 12345678901234567890}}`))
	want := map[string]any{
		"name": "invoice.paid", "description": "x", "schema": map[string]any{"type": "object", "$comment": "<b>"}, "example": map[string]any{"id": 12345678901234567890.0},
		"created_at": "2026-11-23T17:44:01Z", "updated_at": "2026-11-23T17:44:01Z", "archived_at": nil,
	}
	if diff := cmp.Diff(want, r.json); diff != "" || !strings.Contains(r.text, "12345678901234567890") {
		t.Errorf("%s: %s", diff, r.text)
	}
	if read := s.want(200, s.do("GET", "/event-types/invoice.paid", "")); read.text != r.text {
		t.Errorf("a read differs: %s", read.text)
	}
	if again := s.do("POST", "/event-types/", `{"name": "invoice.paid"}`); again.status != 409 || again.code() != "event_type_exists" {
		t.Errorf("a second create responds with %d %s", again.status, again.text)
	}
	back := s.want(200, s.do("PUT", "/event-types/invoice.paid", r.text)) // what was read can be sent back
	if !cmp.Equal(back.json["schema"], want["schema"]) || back.json["created_at"] != want["created_at"] || back.json["updated_at"] == want["updated_at"] {
		t.Errorf("responds with %s", back.text)
	}
	s.want(204, s.do("DELETE", "/event-types/invoice.paid", ""))
	archived := s.want(200, s.do("GET", "/event-types/invoice.paid", ""))
	s.want(204, s.do("DELETE", "/event-types/invoice.paid", ""))
	if read := s.do("GET", "/event-types/invoice.paid", ""); read.json["archived_at"] == nil || read.text != archived.text {
		t.Errorf("an archived type is %s", read.text)
	}
	if r := s.want(201, s.do("POST", "/event-types/", `{"name": "invoice.paid"}`)); r.json["archived_at"] != nil || r.json["schema"] != nil {
		t.Errorf("an archived type that is created again is %s", r.text)
	}
	s.want(201, s.do("PUT", "/event-types/a%2Fb:c", `{"name": "a/b:c"}`))
	if r := s.want(200, s.do("GET", "/event-types/a%2Fb:c", "")); r.json["name"] != "a/b:c" {
		t.Errorf("responds with %s", r.text)
	}
}

func TestEventTypePages(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"c", "a", "e", "b", "d"} {
		s.want(201, s.do("PUT", "/event-types/"+name, `{}`))
	}
	var names []string
	path, pages := "/event-types/?limit=2", 0
	for cursor := ""; ; pages++ {
		r := s.want(200, s.do("GET", path+cursor, ""))
		for _, item := range r.json["data"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		next, more := r.json["next"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if got := strings.Join(names, " "); got != "a b c d e" || pages != 2 {
		t.Errorf("%d pages: %s", pages, got)
	}
}

func TestBadEventTypes(t *testing.T) {
	s := newServer(t, func(o *Options) {
		o.CheckEventType = func(t event.EventType) error {
			if strings.Contains(string(t.Schema), "http://") {
				return event.Invalid("schema", "refers to another document")
			}
			return nil
		}
	})
	for _, c := range []struct{ reason, method, path, body, field string }{
		{"no name", "POST", "", `{}`, "name"},
		{"an empty segment", "POST", "", `{"name": "a..b"}`, "name"},
		{"NUL", "POST", "", `{"name": "a\u0000"}`, "name"},
		{"10,000 bytes", "POST", "", `{"name": "` + strings.Repeat("a", 10_000) + `"}`, "name"},
		{"a bad name in the path", "PUT", "a..b", `{}`, "name"},
		{"NUL in the path", "PUT", "a%00", `{}`, "name"},
		{"another name in the path", "PUT", "a", `{"name": "b"}`, "name"},
		{"a description that is too long", "PUT", "a", `{"description": "` + strings.Repeat("x", 1001) + `"}`, "description"},
		{"a schema that is too long", "PUT", "a", `{"schema": {"$comment": "` + strings.Repeat("x", 256<<10) + `"}}`, "schema"},
		{"an example that is too long", "PUT", "a", `{"example": "` + strings.Repeat("x", 64<<10) + `"}`, "example"},
		{"what the compiler of schemas refuses", "PUT", "a", `{"schema": {"$ref": "http://example.com"}}`, "schema"},
		{"a name given twice within the schema", "PUT", "a", `{"schema": {"type": "object", "type": "array"}}`, "schema.type"},
		{"a misspelled field", "PUT", "a", `{"shema": {}}`, "shema"},
	} {
		if r := s.want(422, s.do(c.method, "/event-types/"+c.path, c.body)); r.field(c.field) == "" {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	for _, name := range []string{"unknown", "a..b", "a%00", "%ff", strings.Repeat("a", 10_000)} {
		for _, method := range []string{"GET", "DELETE"} {
			if r := s.do(method, "/event-types/"+name, ""); r.status != 404 || r.code() != "event_type_not_found" {
				t.Errorf("%s of %.30s responds with %d %s", method, name, r.status, r.text)
			}
		}
	}
	if len(s.memory.types) > 0 {
		t.Errorf("%d types are stored", len(s.memory.types))
	}
}
