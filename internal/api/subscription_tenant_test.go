package api

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

func TestASubscriptionCreatesItsTenant(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "tenant": "acme", "uid": "shop", "name": "Shop", "channels": ["eu", "us"],
		"filter": { "data": {"id": 9007199254740993} }, "metadata": {"team": "a"}}`))
	want := map[string]any{"tenant": "acme", "uid": "shop", "name": "Shop", "channels": []any{"eu", "us"}, "metadata": map[string]any{"team": "a"}}
	for name, value := range want {
		if !cmp.Equal(r.json[name], value) {
			t.Errorf("%s is %v, want %v", name, r.json[name], value)
		}
	}
	if !strings.Contains(r.text, `"filter":{"data":{"id":9007199254740993}}`) {
		t.Errorf("the filter is changed: %s", r.text)
	}
	s.want(200, s.do("GET", "/tenants/acme", ""))
	read := s.want(200, s.do("GET", "/subscriptions/shop?tenant=acme", ""))
	if read.text != r.text {
		t.Errorf("a read differs from the create:\n%s\n%s", read.text, r.text)
	}
}

func TestUIDsInPaths(t *testing.T) {
	s := newServer(t)
	acme := s.create(`{"target_url": "https://example.com", "tenant": "acme", "uid": "shop"}`)
	own := s.create(`{"target_url": "https://example.com", "uid": "shop"}`)
	for _, c := range []struct{ reason, path, id string }{
		{"a uid is of the default tenant", "shop", own},
		{"which may be named", "shop?tenant=default", own},
		{"a uid of another tenant", "shop?tenant=acme", acme},
		{"an id in any tenant", acme, acme},
		{"an id with its tenant", acme + "?tenant=acme", acme},
		{"an id with another tenant", acme + "?tenant=default", ""},
		{"an id with an unknown tenant", acme + "?tenant=nobody", ""},
		{"another case", "Shop", ""},
		{"an unknown uid", "house", ""},
		{"an unknown tenant", "shop?tenant=nobody", ""},
	} {
		for _, o := range []struct{ method, after, body string }{
			{"GET", "", ""}, {"PATCH", "", `{"name": "x"}`}, {"PUT", "", minimal}, {"POST", "/pause", ""}, {"POST", "/resume", ""},
		} {
			path, query, _ := strings.Cut(c.path, "?")
			r := s.do(o.method, "/subscriptions/"+path+o.after+"?"+query, o.body)
			if id, _ := r.json["id"].(string); id != c.id || (c.id == "") != (r.status == 404) {
				t.Errorf("%s: %s responds with %d %s", c.reason, o.method, r.status, r.text)
			}
		}
	}
	if r := s.do("GET", "/subscriptions/shop?tenant=", ""); r.status != 422 || r.field("tenant") == "" {
		t.Errorf("an empty tenant responds with %d %s", r.status, r.text)
	}
	s.want(204, s.do("DELETE", "/subscriptions/shop?tenant=acme", ""))
	s.want(404, s.do("GET", "/subscriptions/shop?tenant=acme", ""))
	s.want(200, s.do("GET", "/subscriptions/"+own, ""))
}

func TestUIDsAndTenantsDoNotChangeUnasked(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com", "tenant": "acme", "uid": "shop"}`)
	s.create(`{"target_url": "https://example.com", "tenant": "acme", "uid": "taken"}`)
	s.create(`{"target_url": "https://example.com", "uid": "free-in-acme"}`)
	for _, c := range []struct {
		reason, method, body string
		status               int
		field                string
		uid                  any
	}{
		{"PUT without a uid keeps it", "PUT", minimal, 200, "", "shop"},
		{"PUT with null keeps it", "PUT", `{"target_url": "https://example.com", "uid": null, "tenant": null}`, 200, "", "shop"},
		{"PUT with its own tenant", "PUT", `{"target_url": "https://example.com", "tenant": "acme"}`, 200, "", "shop"},
		{"PUT with another tenant", "PUT", `{"target_url": "https://example.com", "tenant": "default"}`, 422, "tenant", ""},
		{"PUT with an unknown tenant", "PUT", `{"target_url": "https://example.com", "tenant": "nobody"}`, 422, "tenant", ""},
		{"PATCH with another tenant", "PATCH", `{"tenant": "default"}`, 422, "tenant", ""},
		{"PATCH with its own tenant", "PATCH", `{"tenant": "acme"}`, 200, "", "shop"},
		{"PATCH of another field", "PATCH", `{"name": "x"}`, 200, "", "shop"},
		{"a taken uid", "PATCH", `{"uid": "taken"}`, 409, "uid", ""},
		{"a taken uid in a PUT", "PUT", `{"target_url": "https://example.com", "uid": "taken"}`, 409, "uid", ""},
		{"an empty uid", "PATCH", `{"uid": ""}`, 422, "uid", ""},
		{"an id as a uid", "PATCH", `{"uid": "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"}`, 422, "uid", ""},
		{"another form of an id", "PATCH", `{"uid": "0190B2C4-5D6E-7F80-9A1B-2C3D4E5F6071"}`, 422, "uid", ""},
		{"a slash", "PATCH", `{"uid": "a/b"}`, 422, "uid", ""},
		{"two dots", "PATCH", `{"uid": ".."}`, 422, "uid", ""},
		{"10,000 bytes", "PATCH", `{"uid": "` + strings.Repeat("a", 10_000) + `"}`, 422, "uid", ""},
		{"a uid of another tenant", "PATCH", `{"uid": "free-in-acme"}`, 200, "", "free-in-acme"},
		{"PATCH with null removes it", "PATCH", `{"uid": null}`, 200, "", nil},
		{"a new one", "PUT", `{"target_url": "https://example.com", "uid": "shop"}`, 200, "", "shop"},
	} {
		r := s.do(c.method, "/subscriptions/"+id, c.body)
		if r.status != c.status || c.field != "" && r.field(c.field) == "" || c.status == 200 && (r.json["uid"] != c.uid || r.json["tenant"] != "acme") {
			t.Errorf("%s: responds with %d %s", c.reason, r.status, r.text)
		}
		if c.status == 409 && r.code() != "uid_taken" {
			t.Errorf("%s: the code is %s", c.reason, r.code())
		}
	}
	if r := s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "tenant": "acme", "uid": "taken"}`); r.status != 409 || r.code() != "uid_taken" {
		t.Errorf("a create with a taken uid responds with %d %s", r.status, r.text)
	}
}

func TestBadTenantsOfSubscriptions(t *testing.T) {
	s := newServer(t)
	for _, tenant := range []string{`""`, `"a/b"`, `"."`, `".."`, `"` + strings.Repeat("a", 10_000) + `"`, `"a b"`, `"a\u0000"`, `1`, `["a"]`, `{}`} {
		if r := s.want(422, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "tenant": `+tenant+`}`)); r.field("tenant") == "" {
			t.Errorf("%.40s: %s", tenant, r.text)
		}
	}
	s.want(201, s.do("PUT", "/tenants/small", `{"limits": {"subscriptions": 1}}`))
	s.create(`{"target_url": "https://example.com", "tenant": "small"}`)
	if r := s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "tenant": "small"}`); r.status != 422 || r.code() != "tenant_limit" {
		t.Errorf("responds with %d %s", r.status, r.text)
	}
}

func TestPatchOfFiltersAndMetadata(t *testing.T) {
	s := newServer(t)
	id := s.create(`{"target_url": "https://example.com", "filter": {"data": {"a": 1, "b": 2}}, "metadata": {"a": "1", "b": "2"}, "channels": ["x"], "name": "n"}`)
	for _, c := range []struct {
		reason, body string
		field        string
		want         any
	}{
		{"a filter is replaced as a whole", `{"filter": {"data": {"b": 3}}}`, "filter", map[string]any{"data": map[string]any{"b": 3.0}}},
		{"null in a filter is a value", `{"filter": {"data": {"b": null}}}`, "filter", map[string]any{"data": map[string]any{"b": nil}}},
		{"null removes it", `{"filter": null}`, "filter", nil},
		{"an empty filter matches everything, and stays", `{"filter": {}}`, "filter", map[string]any{}},
		{"metadata is merged", `{"metadata": {"b": null, "c": "3"}}`, "metadata", map[string]any{"a": "1", "c": "3"}},
		{"an empty object changes nothing", `{"metadata": {}}`, "metadata", map[string]any{"a": "1", "c": "3"}},
		{"null removes all", `{"metadata": null}`, "metadata", map[string]any{}},
		{"and it can be set again", `{"metadata": {"d": "4"}}`, "metadata", map[string]any{"d": "4"}},
		{"channels are replaced as a whole", `{"channels": ["y", "z"]}`, "channels", []any{"y", "z"}},
		{"null removes them", `{"channels": null}`, "channels", []any{}},
		{"a name is removed by null", `{"name": null}`, "name", ""},
	} {
		if r := s.want(200, s.do("PATCH", "/subscriptions/"+id, c.body)); !cmp.Equal(r.json[c.field], c.want) {
			t.Errorf("%s: %s is %v, want %v", c.reason, c.field, r.json[c.field], c.want)
		}
	}
	r := s.want(200, s.do("PUT", "/subscriptions/"+id, minimal))
	if warnings, _ := r.json["warnings"].([]any); len(warnings) != 1 || !strings.HasPrefix(warnings[0].(string), "filter and metadata were reset") {
		t.Errorf("a PUT that resets fields responds with %s", r.text)
	}
}

// What package match finds wrong is named with its path, in the order of the document's fields.
func TestFiltersAndChannelsAreChecked(t *testing.T) {
	var filters []string
	s := newServer(t, func(o *Options) {
		o.CheckFilter = func(f []byte) error {
			filters = append(filters, string(f))
			if strings.Contains(string(f), "bad") {
				return event.Invalid("filter/data/bad", "is not an operator")
			}
			return nil
		}
		o.CheckChannels = func(channels []string) error {
			if len(channels) > 1 {
				return event.Invalid("channels[1]", "must not be empty")
			}
			return nil
		}
	})
	id := s.create(minimal)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/subscriptions/", `{"metadata": {"a": "` + strings.Repeat("x", 4096) + `"}, "filter": {"data": {"bad": 1}}, "channels": ["a", ""], "target_url": "https://example.com"}`},
		{"PUT", "/subscriptions/" + id, `{"metadata": {"a": "` + strings.Repeat("x", 4096) + `"}, "filter": {"data": {"bad": 1}}, "channels": ["a", ""], "target_url": "https://example.com"}`},
		{"PATCH", "/subscriptions/" + id, `{"metadata": {"a": "` + strings.Repeat("x", 4096) + `"}, "filter": {"data": {"bad": 1}}, "channels": ["a", ""]}`},
	} {
		r := s.want(422, s.do(c.method, c.path, c.body))
		if r.field("filter/data/bad") == "" || r.field("channels[1]") == "" || r.field("metadata") == "" || !strings.HasPrefix(r.json["detail"].(string), "channels[1]: must not be empty (and 2 more)") {
			t.Errorf("%s responds with %s", c.method, r.text)
		}
	}
	if len(filters) == 0 || filters[0] != `{"data":{"bad":1}}` {
		t.Errorf("the checked filters are %q", filters)
	}
	filters = nil
	s.want(200, s.do("PATCH", "/subscriptions/"+id, `{"filter": null}`))
	if len(filters) > 0 {
		t.Errorf("no filter is checked as %q", filters)
	}
}

func TestGenerateSecret(t *testing.T) {
	s := newServer(t)
	r := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "generate_secret": true, "require_signature": true}`))
	secret, _ := r.json["secret"].(string)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) != 32 || !strings.HasPrefix(secret, "whsec_") || r.json["has_secret"] != true || r.json["warnings"] != nil {
		t.Errorf("responds with %s", r.text)
	}
	if stored := s.memory.subscriptions[0].Secrets; len(stored) != 1 || string(stored[0]) != secret {
		t.Error("another secret is stored")
	}
	id := r.json["id"].(string)
	for _, read := range []reply{
		s.do("GET", "/subscriptions/"+id, ""), s.do("GET", "/subscriptions/", ""), s.do("PATCH", "/subscriptions/"+id, `{"name": "x"}`),
		s.do("PUT", "/subscriptions/"+id, minimal), s.do("POST", "/subscriptions/"+id+"/pause", ""),
	} {
		if s.want(200, read); strings.Contains(read.text, secret) || strings.Contains(read.text, `"secret"`) {
			t.Errorf("the secret is shown again: %s", read.text)
		}
	}
	again := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "generate_secret": true}`))
	if again.json["secret"] == secret {
		t.Error("two secrets are the same")
	}
	for reason, body := range map[string]string{
		"both":              `{"target_url": "https://example.com", "generate_secret": true, "secret": "` + testSecret + `"}`,
		"both, one hidden":  `{"target_url": "https://example.com", "generate_secret": true, "secret": "[hidden]"}`,
		"not true or false": `{"target_url": "https://example.com", "generate_secret": "yes"}`,
	} {
		if r := s.want(422, s.do("POST", "/subscriptions/", body)); r.field("generate_secret") == "" {
			t.Errorf("%s: %s", reason, r.text)
		}
	}
	if r := s.want(201, s.do("POST", "/subscriptions/", `{"target_url": "https://example.com", "generate_secret": false}`)); r.json["has_secret"] != false {
		t.Errorf("responds with %s", r.text)
	}
	s.want(422, s.do("PUT", "/subscriptions/"+id, `{"target_url": "https://example.com", "generate_secret": true}`))
}
