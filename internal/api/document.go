package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookferry/hookferry/internal/event"
)

// OpenAPI returns the OpenAPI 3.1 document of the API, generated from the table of operations and
// the types of their bodies.
func OpenAPI(version string) ([]byte, error) {
	_, document, err := (&api{}).describe(version)
	if err != nil {
		return nil, err
	}
	return writeDocument(document)
}

// describe returns the table of operations and the document generated from it.
func (a *api) describe(version string) ([]operation, *huma.OpenAPI, error) {
	types := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Hookferry", Version: version, Description: introduction,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "."}}, // relative to the document, so any prefix works
		Tags: []*huma.Tag{
			{Name: tagTenants, Description: "Keep the webhooks of each of your customers apart."},
			{Name: tagSubscriptions, Description: "Say which events are delivered to which endpoint."},
			{Name: tagEventTypes, Description: "Register the types of events, with a schema of their data."},
			{Name: tagEvents, Description: "Publish events to all subscriptions of a tenant that match."},
			{Name: tagWebhooks, Description: "Publish events to one subscription."},
			{Name: tagStatus, Description: "See what happened to deliveries."},
			{Name: tagKeys, Description: "Who may use the API."},
			{Name: tagService, Description: "Health and data integrity of the service."},
		},
		Components: &huma.Components{
			Schemas:   types,
			Responses: problemResponses(types),
			SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {
				Type: "http", Scheme: "bearer", Description: "An API key; `hookferry keys create` creates one. Its scope is `admin` (everything), `publish` (publish events, nothing else) or `read` (read everything except secrets and API keys, change nothing). Each operation names the scope it needs. A key may be bound to a tenant: it then sees and uses that tenant alone, and everything of another tenant responds like what does not exist. With `serve --dev`, no key is needed.",
			}},
		},
		Webhooks: map[string]*huma.PathItem{"delivery": outgoing(types)},
	}
	operations := a.operations(types)
	for i := range operations {
		if err := complete(&operations[i]); err != nil {
			return nil, nil, fmt.Errorf("describe %s: %w", operations[i].OperationID, err)
		}
		document.AddOperation(&operations[i].Operation)
	}
	openResponses(types)
	return operations, document, nil
}

// openResponses allows unknown fields in response schemas, so that adding a field breaks no client.
// Request schemas stay closed.
func openResponses(types huma.Registry) {
	for name, schema := range types.Map() {
		if !strings.HasSuffix(name, "Input") && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil
		}
	}
}

const bearerScheme = "apiKey"

const introduction = `Hookferry accepts events over HTTP, stores them safely, and delivers each one to its subscription's endpoint. It signs and retries deliveries, and records every attempt.

Every path works with and without a trailing slash. Times are RFC 3339 in UTC. Errors are problem+json (RFC 9457) with a stable code. A method that a path does not support gets a 405 with Allow.`

// complete adds what follows from an operation's path and its needed scope.
func complete(op *operation) error {
	path, err := parsePattern(op.Path)
	if err != nil {
		return err
	}
	var inPath []*huma.Param
	for _, name := range path.parameters() {
		inPath = append(inPath, pathParameter(name))
	}
	op.Parameters = append(inPath, op.Parameters...)
	if op.needs != public {
		op.Security = []map[string][]string{{bearerScheme: {string(narrowest(op.needs))}}, {}}
		need := "Needs an API key with the scope " + scopesCovering(op.needs)
		if op.allTenants {
			need += " that is not bound to a tenant"
		}
		op.Description = strings.TrimSpace(op.Description + "\n\n" + need + ".")
		responses(op.Responses, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable)
	}
	if op.Method != http.MethodGet {
		responses(op.Responses, http.StatusInsufficientStorage)
	}
	return nil
}

// pathParameter describes a parameter of a path. Those without a row are ids.
func pathParameter(name string) *huma.Param {
	p := &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"}}
	switch name {
	case "id":
		p.Description, p.Schema.Format = "The id of the subscription, or its uid.", ""
	case "tenant":
		p.Description = "The id of the tenant."
		p.Schema = &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(64), Pattern: "^[A-Za-z0-9._-]+$"}
	case "name":
		p.Description, p.Schema.Format = "The event type.", ""
	}
	return p
}

// problemResponses describes each problem, with an example from the code that sends it.
func problemResponses(types huma.Registry) map[string]*huma.Response {
	in := newSubscriptionInput()
	described := []struct {
		err         error
		description string
	}{
		{decode([]byte(`{"target_url": https://example.com}`), &in), "The body, the query or a header can't be read."},
		{keyProblem(keyNeeded), "The API key, or the signature of an event, is missing or not valid."},
		{scopeProblem(event.ScopeRead, event.ScopePublish), "The API key is valid, but its scope does not allow this operation, or the operation concerns all tenants and the key is bound to one."},
		{event.ErrNotFound, "Nothing has this id, or the text is not an id. If the id belongs to another kind of object, detail says where that is: for an event's id, it names the paths of its deliveries."},
		{bodyProblem(os.ErrDeadlineExceeded, DefaultMaxBody), "The body took too long to arrive."},
		{event.ErrInactive, "What is there does not permit this: the subscription is not active, its uid is taken, the tenant can't be deleted, or the event type exists already."},
		{changedProblem(17), "If-Match does not name the current revision, which detail gives. Nothing was changed."},
		{tooLarge(DefaultMaxBody), "The body is longer than the limit, which is 1 MiB by default."},
		{notJSON([]string{"text/plain"}), "The body is not JSON, or has a Content-Encoding."},
		{event.Invalid("target_url", event.CheckTarget("mailto:me@example.com")), "The request is well-formed, but some of its values are not accepted; errors lists each field."},
		{fmt.Errorf("%w: 10000000 deliveries are pending, and HOOKFERRY_MAX_PENDING is 10000000", event.ErrBacklog), "The backlog is full, for the whole service or for this subscription, or events come faster than the limit of the tenant. Nothing was stored."},
		{internalProblem(), "A fault in Hookferry; its log has the cause."},
		{event.ErrUnavailable, "The database is unavailable, the service is stopping, or too many request bodies are being read at once. The same request may succeed later. If the connection to the database broke during a commit, the request may have taken effect all the same."},
		{event.ErrFull, "The disk that holds the database is full. Nothing was stored. The same request succeeds once there is free disk space again."},
	}
	all := map[string]*huma.Response{}
	for _, d := range described {
		p, _ := problemOf(d.err)
		all[problemName(p.Status)] = problemHeader(p.Status, &huma.Response{
			Description: d.description,
			Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: schemaOf[Problem](types), Example: encodedExample(p)},
			},
		})
	}
	return all
}

func problemHeader(status int, r *huma.Response) *huma.Response {
	switch status {
	case http.StatusUnauthorized:
		return withHeader(r, "WWW-Authenticate", "How to authenticate.", challenge)
	case http.StatusForbidden:
		return withHeader(r, "WWW-Authenticate", "The scope that is needed.", challengeFor(event.ScopeRead))
	case http.StatusServiceUnavailable:
		return withHeader(r, "Retry-After", "Seconds to wait.", retryAfter)
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return withHeader(r, "Retry-After", "Seconds to wait.", retryAfterFull)
	}
	return r
}

// problemName returns the name of a problem's response in the document.
func problemName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

func writeDocument(document *huma.OpenAPI) ([]byte, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	v := jsontext.Value(text)
	if err := v.Format(jsontext.Multiline(true), jsontext.WithIndent("  "), jsontext.EscapeForHTML(false)); err != nil {
		return nil, fmt.Errorf("indent the OpenAPI document: %w", err)
	}
	return append(v, '\n'), nil
}
