package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

func (a *api) publishOperations(types huma.Registry) []operation {
	const (
		basic = `{"tenant": "default", "event": "invoice.paid", "data": {"id": "in_8814", "amount": 4900}}`
		every = `{"event": "invoice.paid", "data": {"id": "in_8814"}, "channels": ["eu"], "metadata": {"order": "8814"}, "deliver_at": null, "subscription_id": null, "retry": false, "idempotency_key": "invoice-8814"}`
	)
	examples := []namedExample{{"basic", "An invoice was paid", basic}, {"every_field", "Every field", every}}
	published := Published{EventID: exampleID(exampleEventID), Tenant: "acme", Deliveries: 3}
	return []operation{
		{needs: event.ScopePublish, serve: a.publish, Operation: huma.Operation{
			OperationID: "publishEvent", Method: http.MethodPost, Path: "/events/",
			Tags: []string{tagEvents}, Summary: "Publish an event to a tenant",
			Description: "Stores the event, and a delivery for each subscription of the tenant that matches, in one transaction. A subscription matches if it is active, wants the event type, shares a channel with the event or has none, and its filter is true. If none matches, the event is stored without deliveries. Unknown and duplicate names are refused; data may contain anything.",
			Parameters:  []*huma.Param{idempotencyParameter()},
			RequestBody: request[PublishInput](types, examples...),
			Responses: responses(map[string]*huma.Response{
				"202": withHeader(jsonResponse(types, "The event and its deliveries are on disk.", published),
					"Idempotency-Replayed", "true if the response has duplicate: true.", "true"),
			}, 400, 404, 408, 413, 415, 422, 429),
		}},
		{needs: event.ScopePublish, serve: a.publishBatch, Operation: huma.Operation{
			OperationID: "publishBatch", Method: http.MethodPost, Path: "/events/batch",
			Tags: []string{tagEvents}, Summary: "Publish up to 1,000 events",
			Description: "Each event is published as if it were sent alone: events that can't be published do not stop the others, and results has one entry for each, in their order. The whole body may be 16 MiB long. Events that are not stored within 10 s, or after 20,000 deliveries, have the code not_taken. Idempotency keys are in the events; the header Idempotency-Key is refused.",
			RequestBody: request[BatchInput](types, namedExample{"two", "Two events", `{"events": [` + basic + `, {"event": "user.created", "data": {"id": 123}, "idempotency_key": "user-123"}]}`}),
			Responses: responses(map[string]*huma.Response{
				"202": jsonResponse(types, "The result of each event.", BatchResults{Results: []BatchResult{
					{EventID: &published.EventID, Tenant: &published.Tenant, Deliveries: &published.Deliveries, Refused: &published.Refused, Duplicate: &published.Duplicate},
					{Status: 422, Code: "invalid", Detail: "events[1].event: must not be empty", Errors: []FieldProblem{{Field: "events[1].event", Message: "must not be empty"}}},
				}}),
			}, 400, 408, 413, 415, 422),
		}},
		{needs: publishOrRead, serve: a.matchEvent, Operation: huma.Operation{
			OperationID: "matchEvent", Method: http.MethodPost, Path: "/events/match",
			Tags: []string{tagEvents}, Summary: "Show which subscriptions an event would be delivered to",
			Description: "Takes the same body as publishing and stores nothing. The subscriptions of the tenant come in the order of their ids, each with the first rule that does not hold.",
			Parameters:  listParameters(),
			RequestBody: request[PublishInput](types, examples...),
			Responses: responses(map[string]*huma.Response{
				"200": jsonResponse(types, "One page.", MatchList{Data: []Match{
					{SubscriptionID: exampleID(exampleSubscriptionID), Rule: ptr("event_types"), Reason: ptr(`the event's type is "invoice.paid"; the subscription wants "user.*"`)},
				}}),
			}, 400, 404, 408, 413, 415, 422),
		}},
	}
}

func idempotencyParameter() *huma.Param {
	return &huma.Param{
		Name: "Idempotency-Key", In: "header", Description: "Makes it safe to publish the same event again: an event with the same key in the same tenant is stored once, and later responses have duplicate: true. The same key with another event is refused.",
		Schema: &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(255)},
	}
}
