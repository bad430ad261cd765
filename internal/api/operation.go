package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// operation is one row of the table that is both served and documented.
type operation struct {
	huma.Operation // the documentation; the router uses its Method and Path
	serve          handler
	needs          event.Scope // the scope of the key, or public
}

// The groups of operations in the document.
const (
	tagSubscriptions = "Subscriptions"
	tagWebhooks      = "Webhooks"
	tagStatus        = "Status"
	tagService       = "Service"
)

// operations returns the table. types collects the schemas of the bodies.
func (a *api) operations(types huma.Registry) []operation {
	all := append(a.subscriptionOperations(types), a.pauseOperations(types)...)
	all = append(all, a.ingestOperation(types), a.deliveryOperation(types), a.attemptsOperation(types))
	return slices.Concat(all, a.healthOperations(types), a.integrityOperations(types))
}

func schemaOf[T any](types huma.Registry) *huma.Schema {
	return types.Schema(reflect.TypeFor[T](), true, "")
}

// jsonResponse describes a response whose body is a T, with an example encoded as the service encodes it.
func jsonResponse[T any](types huma.Registry, description string, example T) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemaOf[T](types), Example: encodedExample(example)},
	}}
}

func encodedExample(example any) json.RawMessage {
	text, err := encode(example)
	if err != nil {
		panic(err) // an example can't be encoded: the first test that builds the document finds it
	}
	return text
}

func withHeader(r *huma.Response, name, description, example string) *huma.Response {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Param{}
	}
	r.Headers[name] = &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
	return r
}

// namedExample is a request body that works as it is.
type namedExample struct{ name, summary, body string }

func request[T any](types huma.Registry, examples ...namedExample) *huma.RequestBody {
	media := &huma.MediaType{Schema: schemaOf[T](types), Examples: map[string]*huma.Example{}}
	for _, e := range examples {
		media.Examples[e.name] = &huma.Example{Summary: e.summary, Value: json.RawMessage(e.body)}
	}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": media}}
}

// responses adds the problems that an operation may respond with to its own responses.
func responses(own map[string]*huma.Response, problems ...int) map[string]*huma.Response {
	for _, status := range problems {
		own[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName(status)}
	}
	return own
}

func pageParameters() []*huma.Param {
	return []*huma.Param{
		{
			Name: "limit", In: "query", Description: "The maximum number of items on a page.",
			Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(maxLimit)), Default: defaultLimit},
		},
		{
			Name: "cursor", In: "query", Description: "The value of next on the previous page. Leave it out for the first page.",
			Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"},
		},
	}
}

func ptr[T any](v T) *T { return &v }
