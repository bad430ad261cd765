package api

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

func TestKeys(t *testing.T) {
	s := newServer(t)
	s.want(201, s.do("PUT", "/tenants/acme", "{}"))
	r := s.want(201, s.do("POST", "/keys/", `{"name": "billing", "scope": "publish", "tenant": "acme", "expires_at": "2027-01-05T09:00:00+01:00"}`))
	text, _ := r.json["key"].(string)
	kept := s.memory.apiKeys[0]
	if kept.Hash != sha256.Sum256([]byte(text)) || !strings.HasPrefix(text, "hf_") || !strings.HasPrefix(text, r.json["begins_with"].(string)) || kept.Scope != event.ScopePublish || kept.Tenant != "acme" {
		t.Errorf("responds with %s, and keeps %+v", r.text, kept)
	}
	if r.json["expires_at"] != "2027-01-05T08:00:00Z" || r.json["tenant"] != "acme" || r.json["scope"] != "publish" {
		t.Errorf("responds with %s", r.text)
	}
	if open := s.want(201, s.do("POST", "/keys/", `{"name": "ops", "scope": "admin"}`)); open.json["tenant"] != nil || open.json["expires_at"] != nil {
		t.Errorf("responds with %s", open.text)
	}
	list := s.want(200, s.do("GET", "/keys/", ""))
	if data := list.json["data"].([]any); len(data) != 2 || data[0].(map[string]any)["name"] != "ops" || strings.Contains(list.text, text) {
		t.Errorf("the list is %s", list.text)
	}
	path := "/keys/" + r.json["id"].(string)
	s.want(204, s.do("DELETE", path, ""))
	if again := s.do("DELETE", path, ""); again.status != 404 || again.code() != "not_found" {
		t.Errorf("a second time it responds with %d %s", again.status, again.text)
	}
	s.want(404, s.do("DELETE", "/keys/x", ""))
	if list := s.do("GET", "/keys/", ""); !strings.Contains(list.text, `"revoked_at":"2026`) {
		t.Errorf("the list is %s", list.text)
	}
}

func TestBadKeys(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct{ reason, body, field string }{
		{"no name", `{"scope": "read"}`, "name"},
		{"a name of 101 bytes", `{"scope": "read", "name": "` + strings.Repeat("x", 101) + `"}`, "name"},
		{"no scope", `{"name": "x"}`, "scope"},
		{"an unknown scope", `{"name": "x", "scope": "root"}`, "scope"},
		{"a scope that the store makes", `{"name": "x", "scope": "bound:admin"}`, "scope"},
		{"a tenant that is none", `{"name": "x", "scope": "read", "tenant": ""}`, "tenant"},
		{"a tenant with a slash", `{"name": "x", "scope": "read", "tenant": "a/b"}`, "tenant"},
		{"expired", `{"name": "x", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"}`, "expires_at"},
		{"no time", `{"name": "x", "scope": "read", "expires_at": "tomorrow"}`, "expires_at"},
		{"a misspelled field", `{"name": "x", "scope": "read", "tennant": "a"}`, "tennant"},
	} {
		if r := s.want(422, s.do("POST", "/keys/", c.body)); r.field(c.field) == "" {
			t.Errorf("%s: %s", c.reason, r.text)
		}
	}
	if r := s.do("POST", "/keys/", `{"name": "x", "scope": "read", "tenant": "nobody"}`); r.status != 404 || r.code() != "tenant_not_found" {
		t.Errorf("responds with %d %s", r.status, r.text)
	}
	if len(s.memory.apiKeys) > 0 {
		t.Error("a key was created")
	}
}

func TestKeyPages(t *testing.T) {
	s := newServer(t)
	for i := range 5 {
		s.want(201, s.do("POST", "/keys/", fmt.Sprintf(`{"name": "%d", "scope": "read"}`, i)))
	}
	first, r := s.names("/keys/?limit=2")
	second, r := s.names("/keys/?limit=2&cursor=" + r.json["next"].(string))
	third, r3 := s.names("/keys/?limit=2&cursor=" + r.json["next"].(string))
	back, _ := s.names("/keys/?limit=2&cursor=" + r.json["prev"].(string))
	if first != "4 3" || second != "2 1" || third != "0" || back != "4 3" || r3.json["next"] != nil {
		t.Errorf("%q %q %q, and back %q", first, second, third, back)
	}
}

// A key that is bound to a tenant creates keys for that tenant, and sees and revokes those alone.
func TestKeysOfATenant(t *testing.T) {
	s := acmeWorld(t, event.NewID(testTime))
	s.memory.add(newForeign())
	s.memory.apiKeys = append(s.memory.apiKeys, event.APIKey{ID: event.NewID(testTime), Name: "of all tenants", Scope: event.ScopeAdmin})
	r := s.want(201, s.do("POST", "/keys/", `{"name": "ours", "scope": "admin"}`))
	if names, _ := s.names("/keys/"); names != "ours" || r.json["tenant"] != "acme" {
		t.Errorf("the list is %q after %s", names, r.text)
	}
	for _, k := range s.memory.apiKeys {
		status := 404
		if k.Name == "ours" {
			status = 204
		}
		s.want(status, s.do("DELETE", "/keys/"+k.ID.String(), ""))
	}
}

func TestMeta(t *testing.T) {
	s := newServer(t, func(o *Options) { o.MaxBody = 1234 })
	r := s.want(200, s.do("GET", "/meta", ""))
	limits := r.json["limits"].(map[string]any)
	if r.json["version"] != "1.2.3" || r.json["retention_seconds"] != 259200.0 || r.json["tenant"] != nil || limits["body_bytes"] != 1234.0 || limits["batch_bytes"] != float64(16<<20) || limits["batch_events"] != 1000.0 || limits["page"] != 250.0 {
		t.Errorf("responds with %s", r.text)
	}
	if r := acmeWorld(t, event.NewID(testTime)).do("GET", "/meta", ""); r.json["tenant"] != "acme" {
		t.Errorf("responds with %s", r.text)
	}
}
