package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestPauseAndResume(t *testing.T) {
	s := newServer(t, withKeys)
	s.key = testKey
	id := s.create(minimal)
	path := "/subscriptions/" + id
	etag := s.do("GET", path, "").header.Get("ETag")
	var since any
	for _, c := range []struct {
		reason, action, body string
		by, why              any // in the response; nil and nil: not paused
	}{
		{"resume without a pause", "resume", ``, nil, nil},
		{"paused", "pause", `{"reason": "maintenance"}`, "ops", "maintenance"},
		{"pause again, without a reason", "pause", ``, "ops", "maintenance"},
		{"pause again, with an empty body", "pause", `{}`, "ops", "maintenance"},
		{"pause again, with null as the reason", "pause", `{"reason": null}`, "ops", "maintenance"},
		{"pause again, with an empty reason", "pause", `{"reason": ""}`, "ops", "maintenance"},
		{"pause again, with another reason", "pause", `{"reason": "until Friday"}`, "ops", "until Friday"},
		{"resumed", "resume", ``, nil, nil},
		{"resumed again", "resume", ``, nil, nil},
		{"pause without a reason", "pause", ``, "ops", nil},
		{"pause again, with a reason", "pause", `{"reason": "x"}`, "ops", "x"},
		{"resume with an empty object", "resume", `{}`, nil, nil},
	} {
		r := s.want(200, s.do("POST", path+"/"+c.action, c.body))
		for _, r := range []reply{r, s.do("GET", path, ""), s.do("PATCH", path, `{"paused_at": null, "paused_by": "me"}`)} {
			if r.json["paused_by"] != c.by || r.json["paused_reason"] != c.why || (r.json["paused_at"] != nil) != (c.by != nil) || r.json["is_active"] != true {
				t.Errorf("%s: %d %s", c.reason, r.status, r.text)
			}
		}
		if since != nil && c.by != nil && r.json["paused_at"] != since {
			t.Errorf("%s: paused at %v, and before at %v", c.reason, r.json["paused_at"], since)
		}
		since = r.json["paused_at"]
		list := s.do("GET", "/subscriptions/", "").json["data"].([]any)[0].(map[string]any)
		attempts := s.do("GET", "/status/subscription/"+id, "").json
		if list["paused_at"] != since || list["paused_by"] != c.by || attempts["paused_at"] != since {
			t.Errorf("%s: the list says %v and the status %v, want %v", c.reason, list, attempts, since)
		}
	}
	s.want(200, s.do("POST", path+"/pause", ``))
	if r := s.want(200, s.do("PUT", path, minimal)); r.json["paused_at"] == nil {
		t.Errorf("a replace has ended the pause: %s", r.text)
	}
	s.ingest(id) // still gets a 202
	if etag != `"1"` {
		t.Errorf("the ETag was %s", etag)
	}
}

func TestPausesDoNotChangeTheETag(t *testing.T) {
	s := newServer(t)
	path := "/subscriptions/" + s.create(minimal)
	for _, action := range []string{"/pause", "/resume"} {
		if r := s.want(200, s.do("POST", path+action, "")); r.header.Get("ETag") != `"1"` {
			t.Errorf("%s responds with the ETag %s", action, r.header.Get("ETag"))
		}
		s.want(200, s.do("GET", path, ""))
	}
	s.want(200, s.do("PUT", path, minimal, `If-Match: "1"`))
}

func TestPausedByAnonymous(t *testing.T) {
	s := newServer(t)
	r := s.want(200, s.do("POST", "/subscriptions/"+s.create(minimal)+"/pause/", ""))
	if r.json["paused_by"] != "anonymous" {
		t.Errorf("responds with %s", r.text)
	}
}

func TestBadPauses(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, c := range []struct {
		reason, body, field string
		status              int
	}{
		{"a reason too long", `{"reason": "` + strings.Repeat("ü", 501) + `"}`, "reason", 422},
		{"a reason with a NUL", `{"reason": "\u0000"}`, "reason", 422},
		{"a reason that is a number", `{"reason": 1}`, "reason", 422},
		{"an unknown field", `{"until": "tomorrow"}`, "until", 422},
		{"a text", `"maintenance"`, "body", 422},
		{"null", `null`, "body", 422},
		{"cut JSON", `{"reason"`, "reason", 400},
	} {
		r := s.want(c.status, s.do("POST", "/subscriptions/"+id+"/pause", c.body))
		if s.memory.subscriptions[0].Paused() || c.status == 422 && r.field(c.field) == "" {
			t.Errorf("%s: paused, or %s", c.reason, r.text)
		}
	}
	s.want(415, s.do("POST", "/subscriptions/"+id+"/pause", `{"reason": "x"}`, "Content-Type: text/plain"))
	s.want(200, s.do("POST", "/subscriptions/"+id+"/pause", `{"reason": "`+strings.Repeat("ü", 500)+`"}`))
	deleted := s.create(minimal)
	s.want(204, s.do("DELETE", "/subscriptions/"+deleted, ""))
	for _, id := range []string{deleted, event.NewID(testTime).String(), "x"} {
		for _, action := range []string{"pause", "resume"} {
			s.want(404, s.do("POST", "/subscriptions/"+id+"/"+action, ""))
		}
	}
	s.want(405, s.do("GET", "/subscriptions/"+id+"/pause", ""))
}

// curl -X POST sends no body, and curl -d "" sends an empty body with the type of a form.
func TestAPauseNeedsNoBody(t *testing.T) {
	s := newServer(t)
	id := s.create(minimal)
	for _, header := range []string{"", "application/x-www-form-urlencoded", "application/json"} {
		for _, action := range []string{"pause", "resume"} {
			req := httptest.NewRequest("POST", "/subscriptions/"+id+"/"+action, strings.NewReader(""))
			if header != "" {
				req.Header.Set("Content-Type", header)
			}
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, req)
			if w.Code != 200 {
				t.Errorf("%s with the type %q responds with %d %s", action, header, w.Code, w.Body)
			}
		}
	}
}
