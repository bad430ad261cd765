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

// OpenAPI is the OpenAPI 3.1 document of the API, made from the table of
// operations and the types of their bodies.
func OpenAPI(version string) ([]byte, error) {
	_, document, err := (&api{}).describe(version)
	if err != nil {
		return nil, err
	}
	return writeDocument(document)
}

// describe returns the table of operations and the document made from it.
func (a *api) describe(version string) ([]operation, *huma.OpenAPI, error) {
	types := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	document := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Hookferry", Version: version, Description: introduction,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "."}}, // where the document is, under whatever prefix
		Tags: []*huma.Tag{
			{Name: tagSubscriptions, Description: "Where webhooks go, and which."},
			{Name: tagWebhooks, Description: "Taking events in."},
			{Name: tagStatus, Description: "What became of them."},
			{Name: tagService, Description: "How the service is."},
		},
		Components: &huma.Components{
			Schemas:   types,
			Responses: problemResponses(types),
			SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {
				Type: "http", Scheme: "bearer", Description: "An API key, as `hookferry keys create` makes it. Its scope is `admin` (everything), `publish` (send events in, nothing else) or `read` (see everything but secrets, change nothing); each operation names the one it needs. With `serve --dev` none is needed.",
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
	openAnswers(types)
	return operations, document, nil
}

// openAnswers lets clients expect more fields in answers than there are now, so
// that adding one breaks nobody. What callers send stays closed.
func openAnswers(types huma.Registry) {
	for name, schema := range types.Map() {
		if !strings.HasSuffix(name, "Input") && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil
		}
	}
}

const bearerScheme = "apiKey"

const introduction = `Hookferry takes webhooks in, keeps them safe, and brings each one to its subscriber: signed, retried, and accounted for.

Every path works with and without a slash at its end. Times are RFC 3339 in UTC. Errors are problem+json (RFC 9457) whose code is stable; a method that a path does not take is answered 405 with Allow.`

// complete adds what follows from an operation's path and from whether it needs a key.
func complete(op *operation) error {
	path, err := parsePattern(op.Path)
	if err != nil {
		return err
	}
	var inPath []*huma.Param
	for _, name := range path.parameters() {
		inPath = append(inPath, &huma.Param{
			Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"},
		})
	}
	op.Parameters = append(inPath, op.Parameters...)
	if op.needs != anybody {
		op.Security = []map[string][]string{{bearerScheme: {string(op.needs)}}, {}}
		op.Description = strings.TrimSpace(op.Description + "\n\nThe key's scope: " + either(op.needs) + ".")
		responses(op.Responses, http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable)
	}
	if op.Method != http.MethodGet {
		responses(op.Responses, http.StatusInsufficientStorage)
	}
	return nil
}

// problemResponses describes each problem, with an example made by the code that
// answers with it.
func problemResponses(types huma.Registry) map[string]*huma.Response {
	a := &api{Options: Options{MaxBody: DefaultMaxBody}}
	in := newSubscriptionInput()
	described := []struct {
		err         error
		description string
	}{
		{decode([]byte(`{"target_url": https://example.com}`), &in), "The body, the query or a header can't be read."},
		{keyProblem(keyNeeded), "The API key is missing or not valid; or an event's signature is."},
		{scopeProblem(event.ScopeRead, event.ScopePublish), "The API key is valid, and its scope does not cover this."},
		{event.ErrNotFound, "Nothing with this id, or the text is not an id. If the id is that of another kind of thing, detail says where it is: for an event's id it names the paths of its deliveries."},
		{a.bodyProblem(os.ErrDeadlineExceeded), "The body took too long to arrive."},
		{event.ErrInactive, "The subscription is not active."},
		{changedProblem(17), "If-Match names another revision than the present one; detail says which that is. Nothing was changed."},
		{a.tooLarge(), "The body is longer than the limit, which is 1 MiB unless it was set otherwise."},
		{notJSON([]string{"text/plain"}), "The body is not JSON, or has a Content-Encoding."},
		{event.Invalid("target_url", event.CheckTarget("mailto:me@example.com")), "The request was understood and can't be taken; errors names each field."},
		{fmt.Errorf("%w: 10000000 deliveries wait, and HOOKFERRY_MAX_PENDING is 10000000", event.ErrBacklog), "More waits to be delivered than may, in all or for this subscription. Nothing was stored."},
		{internalProblem(), "Something went wrong inside Hookferry."},
		{event.ErrUnavailable, "The database can't be used, or the service is stopping, or so many requests are being read that there is no memory for another; the same request may succeed later. Where the connection to the database broke in the middle of a commit, it may have been done all the same."},
		{event.ErrFull, "The disk that holds the database is full; nothing was stored. The same request succeeds when there is room again."},
	}
	all := map[string]*huma.Response{}
	for _, d := range described {
		p, _ := problemOf(d.err)
		all[problemName(p.Status)] = problemHeader(p.Status, &huma.Response{
			Description: d.description,
			Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: schemaOf[Problem](types), Example: asWritten(p)},
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
		return withHeader(r, "Retry-After", "Seconds to wait.", retryAfterRoom)
	}
	return r
}

// problemName is the name of a problem's description in the document.
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
