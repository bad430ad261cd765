package api

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/webhook"
)

var update = flag.Bool("update", false, "write openapi.json")

const goldenDocument = "../../openapi.json"

func TestDocumentIsUpToDate(t *testing.T) {
	got, err := OpenAPI("dev")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenDocument, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenDocument)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.json differs from the code: run `make generate`")
	}
}

// document returns the OpenAPI document, parsed.
func document(t *testing.T) map[string]any {
	t.Helper()
	text, err := OpenAPI("dev")
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// fill replaces the parameter of a path: with the given id, or with the tenant or event type that
// tests of all operations use.
func fill(path, id string) string {
	before, rest, found := strings.Cut(path, "{")
	if !found {
		return path
	}
	name, after, _ := strings.Cut(rest, "}")
	switch name {
	case "tenant":
		id = "acme"
	case "name":
		id = "user.created"
	}
	return before + id + after
}

// at follows keys and references into a document.
func at(t *testing.T, d map[string]any, keys ...string) map[string]any {
	t.Helper()
	node := d
	for _, key := range keys {
		next, ok := node[key].(map[string]any)
		if !ok {
			t.Fatalf("the document has no %v", keys)
		}
		if ref, ok := next["$ref"].(string); ok {
			next = at(t, d, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		node = next
	}
	return node
}

// TestEveryOperationRespondsAsDocumented sends each operation's own examples, and compares the
// responses with the schema.
func TestEveryOperationRespondsAsDocumented(t *testing.T) {
	d := document(t)
	for path, item := range d["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			t.Run(method+" "+path, func(t *testing.T) {
				operation := op.(map[string]any)
				for _, name := range []string{"operationId", "summary", "tags", "responses"} {
					if operation[name] == nil {
						t.Errorf("has no %s", name)
					}
				}
				for _, body := range exampleBodies(t, operation) {
					s := newServer(t, func(o *Options) { o.MaxBody = 4096 })
					s.want(201, s.do("PUT", "/tenants/acme", "{}"))
					s.want(201, s.do("PUT", "/event-types/user.created", "{}"))
					id := s.create(subscriptionExamples[0].body)
					delivery := s.ingest(id)
					s.memory.attempt(delivery, failedOutcome)
					if strings.Contains(path, "{key_id}") {
						id = s.want(201, s.do("POST", "/keys/", `{"name": "x", "scope": "read"}`)).json["id"].(string)
					}
					if strings.Contains(path, "{delivery_id}") {
						id = delivery.String()
					}
					r := s.do(strings.ToUpper(method), fill(path, id), body)
					if r.status >= 300 {
						t.Errorf("%s responds with %d: %s", body, r.status, r.text)
					}
					checkResponse(t, d, operation, r)
					if strings.Contains(path, "{") {
						checkResponse(t, d, operation, s.do(strings.ToUpper(method), fill(path, event.NewID(testTime).String()), body))
					}
					if body != "" {
						checkResponse(t, d, operation, s.do(strings.ToUpper(method), fill(path, id), "{"))
						checkResponse(t, d, operation, s.do(strings.ToUpper(method), fill(path, id), body, "Content-Type: text/plain"))
						checkResponse(t, d, operation, s.do(strings.ToUpper(method), fill(path, id), strings.Repeat(" ", 4097)))
					}
					if operation["security"] != nil {
						s.memory.fail = event.ErrUnavailable
						checkResponse(t, d, operation, s.do(strings.ToUpper(method), fill(path, id), body))
					}
				}
			})
		}
	}
}

func exampleBodies(t *testing.T, operation map[string]any) []string {
	t.Helper()
	if operation["requestBody"] == nil {
		return []string{""}
	}
	var bodies []string
	for _, e := range at(t, operation, "requestBody", "content", "application/json", "examples") {
		body, err := json.Marshal(e.(map[string]any)["value"])
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies
}

// checkResponse compares a response with the description of its status in the document.
func checkResponse(t *testing.T, d, operation map[string]any, r reply) {
	t.Helper()
	status := fmt.Sprint(r.status)
	if operation["responses"].(map[string]any)[status] == nil {
		t.Errorf("the document has no response %s: %s", status, r.text)
		return
	}
	response := at(t, map[string]any{"responses": operation["responses"], "components": d["components"]}, "responses", status)
	if response["content"] == nil {
		if r.text != "" {
			t.Errorf("the document has no body for this response: %s", r.text)
		}
		return
	}
	media, ok := response["content"].(map[string]any)[r.header.Get("Content-Type")].(map[string]any)
	if !ok {
		t.Errorf("the document has no response %s of type %q", status, r.header.Get("Content-Type"))
		return
	}
	conform(t, d, "answer "+status, media["schema"], r.json)
	conform(t, d, "example "+status, media["schema"], media["example"])
}

// conform compares a value with the part of JSON Schema that the document uses. It is stricter: an
// object must not have undocumented properties.
func conform(t *testing.T, d map[string]any, where string, schema, value any) {
	t.Helper()
	s := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		s = at(t, d, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	if types := typesOf(s); types != nil && !slices.Contains(types, typeOf(value)) && !(slices.Contains(types, "integer") && typeOf(value) == "number") {
		t.Errorf("%s is a %s; the document says %v", where, typeOf(value), types)
		return
	}
	if c, ok := s["const"]; ok && c != value {
		t.Errorf("%s is %v; the document says %v", where, value, c)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, value) {
		t.Errorf("%s is %v; the document says one of %v", where, value, enum)
	}
	if typesOf(s) == nil {
		return // any JSON
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			conform(t, d, fmt.Sprintf("%s[%d]", where, i), s["items"], item)
		}
	case map[string]any:
		conformObject(t, d, where, s, v)
	}
}

func conformObject(t *testing.T, d map[string]any, where string, s, object map[string]any) {
	t.Helper()
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, found := object[name.(string)]; !found {
			t.Errorf("%s has no %s", where, name)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for name, value := range object {
		schema, found := properties[name]
		if !found {
			schema, found = s["additionalProperties"].(map[string]any)
		}
		if !found {
			t.Errorf("%s.%s is not in the document", where, name)
			continue
		}
		conform(t, d, where+"."+name, schema, value)
	}
}

func typesOf(schema map[string]any) []string {
	switch typ := schema["type"].(type) {
	case string:
		return []string{typ}
	case []any:
		var types []string
		for _, one := range typ {
			types = append(types, one.(string))
		}
		return types
	}
	return nil
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func TestDocumentDescribesDeliveries(t *testing.T) {
	d := document(t)
	post := at(t, d, "webhooks", "delivery", "post")
	headers, required := http.Header{}, map[string]bool{}
	for _, p := range post["parameters"].([]any) {
		parameter := p.(map[string]any)
		name := parameter["name"].(string)
		headers.Set(name, parameter["example"].(string))
		required[name], _ = parameter["required"].(bool)
	}
	for name, always := range map[string]bool{
		"webhook-id": true, "webhook-timestamp": true, "User-Agent": true,
		"webhook-signature": false, "X-Hub-Signature-256": false, "webhook-event": false, "webhook-attempt": false,
	} {
		if headers.Get(name) == "" || required[name] != always {
			t.Errorf("%s has the example %q, and is required: %v, want %v", name, headers.Get(name), required[name], always)
		}
	}
	for status, retryAfter := range map[string]bool{
		"2XX": false, "410": false, "default": false,
		"429": true, "502": true, "503": true, "504": true,
	} {
		r := at(t, post, "responses", status)
		if _, found := r["headers"]; found != retryAfter {
			t.Errorf("the response %s describes Retry-After: %v, want %v", status, found, retryAfter)
		}
	}
	now := webhook.WithClock(func() time.Time { return exampleTime(1) })
	verifier, err := webhook.NewVerifier([]string{exampleSecret}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(headers, []byte(exampleBody)); err != nil {
		t.Errorf("the example does not verify: %v", err)
	}
	if at(t, d, "components", "securitySchemes", bearerScheme)["scheme"] != "bearer" {
		t.Error("the security scheme is not bearer")
	}
}
