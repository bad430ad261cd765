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
	huma.Operation // what the document says of it; its Method and Path are what the router takes
	serve          handler
	needs          event.Scope // of the key that a caller sends, or anybody
}

// The groups that the document puts operations in.
const (
	tagSubscriptions = "Subscriptions"
	tagWebhooks      = "Webhooks"
	tagStatus        = "Status"
	tagService       = "Service"
)

// operations is the table. types gathers the schemas of the bodies.
func (a *api) operations(types huma.Registry) []operation {
	all := append(a.subscriptionOperations(types), a.pauseOperations(types)...)
	all = append(all, a.ingestOperation(types), a.deliveryOperation(types), a.attemptsOperation(types))
	return slices.Concat(all, a.healthOperations(types), a.integrityOperations(types))
}

func schemaOf[T any](types huma.Registry) *huma.Schema {
	return types.Schema(reflect.TypeFor[T](), true, "")
}

// answer describes an answer whose body is a T, with an example written as the
// service writes it.
func answer[T any](types huma.Registry, description string, example T) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
		"application/json": {Schema: schemaOf[T](types), Example: asWritten(example)},
	}}
}

func asWritten(example any) json.RawMessage {
	text, err := encode(example)
	if err != nil {
		panic(err) // an example of this package can't be written: found by the first test that builds the document
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

// responses joins what is particular to an operation with the problems it may
// answer with.
func responses(own map[string]*huma.Response, problems ...int) map[string]*huma.Response {
	for _, status := range problems {
		own[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName(status)}
	}
	return own
}

func pageParameters() []*huma.Param {
	return []*huma.Param{
		{
			Name: "limit", In: "query", Description: "How many items a page has at most.",
			Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: ptr(1.0), Maximum: ptr(float64(maxLimit)), Default: defaultLimit},
		},
		{
			Name: "cursor", In: "query", Description: "next of the page before; without it, the first page.",
			Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"},
		},
	}
}

func ptr[T any](v T) *T { return &v }
