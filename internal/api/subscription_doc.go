package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

func (a *api) subscriptionOperations(types huma.Registry) []operation {
	return []operation{
		{needs: event.ScopeAdmin, serve: a.createSubscription, Operation: huma.Operation{
			OperationID: "createSubscription", Method: http.MethodPost, Path: "/subscriptions/",
			Tags: []string{tagSubscriptions}, Summary: "Create a subscription",
			Description: "A field that is absent or null gets its default. Unknown and duplicate names are refused. If another subscription of the tenant has the uid, the response is 409.",
			RequestBody: request[SubscriptionCreateInput](types, append(subscriptionExamples, createExample)...),
			Responses: responses(map[string]*huma.Response{
				"201": withHeader(withETag(jsonResponse(types, "The stored subscription.", exampleSubscription())), "Location", "The path of the subscription, relative to that of the request (RFC 3986, section 5).", "../subscriptions/"+exampleSubscriptionID),
			}, 400, 404, 408, 409, 413, 415, 422),
		}},
		a.listSubscriptionsOperation(types),
		{needs: event.ScopeRead, serve: a.getSubscription, Operation: huma.Operation{
			OperationID: "getSubscription", Method: http.MethodGet, Path: "/subscriptions/{id}",
			Tags: []string{tagSubscriptions}, Summary: "Read a subscription",
			Parameters: []*huma.Param{tenantOfUID()},
			Responses: responses(map[string]*huma.Response{
				"200": withETag(jsonResponse(types, "The subscription.", exampleSubscription())),
			}, 400, 404, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.replaceSubscription, Operation: huma.Operation{
			OperationID: "replaceSubscription", Method: http.MethodPut, Path: "/subscriptions/{id}",
			Tags: []string{tagSubscriptions}, Summary: "Replace a subscription",
			Description: "Fields that are absent or null are reset to their defaults, except the secret and the uid, which stay; warnings list the fields that lost a value. You can read a subscription, change it and send it back: fields that only the service sets are ignored, and a header value of [hidden] keeps the stored value. is_active: true activates an inactive subscription.",
			Parameters:  []*huma.Param{tenantOfUID(), ifMatch()},
			RequestBody: request[SubscriptionReplaceInput](types, subscriptionExamples...),
			Responses: responses(map[string]*huma.Response{
				"200": withETag(jsonResponse(types, "The changed subscription.", exampleSubscription())),
			}, 400, 404, 408, 409, 412, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.patchSubscription, Operation: huma.Operation{
			OperationID: "patchSubscription", Method: http.MethodPatch, Path: "/subscriptions/{id}",
			Tags: []string{tagSubscriptions}, Summary: "Change some fields of a subscription",
			Description: "A JSON merge patch (RFC 7396): fields that the body does not name stay as they are. null resets a field to its default, and removes the secret or the uid. Only the named headers and metadata change: null removes an entry, and [hidden] keeps the value of a header. A list and the filter are replaced as a whole. Fields that only the service sets are ignored.",
			Parameters:  []*huma.Param{tenantOfUID(), ifMatch()},
			RequestBody: mergePatchBody(types),
			Responses: responses(map[string]*huma.Response{
				"200": withETag(jsonResponse(types, "The changed subscription.", exampleSubscription())),
			}, 400, 404, 408, 409, 412, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.deleteSubscription, Operation: huma.Operation{
			OperationID: "deleteSubscription", Method: http.MethodDelete, Path: "/subscriptions/{id}",
			Tags: []string{tagSubscriptions}, Summary: "Delete a subscription",
			Description: "Pending deliveries are cancelled. A request in flight is not aborted; if the endpoint accepts it, the delivery counts as delivered. The history stays readable until it expires (LOG_RETENTION).",
			Parameters:  []*huma.Param{tenantOfUID(), ifMatch()},
			Responses:   responses(map[string]*huma.Response{"204": {Description: "The subscription is deleted."}}, 400, 404, 412, 422),
		}},
	}
}

var subscriptionExamples = []namedExample{
	{"basic", "An endpoint on the internet", `{"target_url": "https://example.com/webhook", "secret": "` + exampleSecret + `", "event_types": ["user.created", "user.updated"]}`},
	{"local", "An endpoint on this machine, for serve --dev", `{"target_url": "http://localhost:9000/webhook", "secret": "my_secret_key", "event_types": ["user.*"]}`},
	{"every_field", "Every field", `{"target_url": "https://example.com/webhook", "secret": "` + exampleSecret + `", "description": "Orders for the shop", "event_types": ["order.*"], "is_active": true, "require_signature": false, "headers": {"X-Team": "shop"}, "timeout_seconds": 5, "retry_schedule_seconds": [10, 60, 600], "max_in_flight": 4, "rate_per_second": 20, "body": "data", "uid": "shop-orders", "name": "Shop", "channels": ["eu"], "filter": {"data": {"amount": {"$gte": 100}}}, "metadata": {"team": "shop"}}`},
}

var createExample = namedExample{"tenant", "For a tenant, with a new secret in the response", `{"tenant": "acme", "target_url": "https://example.com/webhook", "generate_secret": true}`}

var patchExamples = []namedExample{
	{"pattern", "Other event types", `{"event_types": ["order.*"]}`},
	{"headers", "Set one header and remove another", `{"headers": {"X-Team": "shop", "X-Old": null}}`},
	{"default", "Reset the timeout to the default of the service", `{"timeout_seconds": null}`},
}

// mergePatchBody has no defaults: a client that sends them would change fields that it does not
// name.
func mergePatchBody(types huma.Registry) *huma.RequestBody {
	body := request[SubscriptionPatchInput](types, patchExamples...)
	body.Content[mergePatch] = body.Content["application/json"]
	for _, property := range types.Map()["SubscriptionPatchInput"].Properties {
		property.Default = nil
	}
	return body
}

const exampleSubscriptionID = "019ab2c4-5d6e-7f80-9a1b-2c3d4e5f6071"

func exampleTime(seconds int) time.Time {
	return time.Date(2026, 11, 23, 17, 44, seconds, 0, time.UTC)
}

// exampleID returns one of the ids in the examples.
func exampleID(s string) event.ID {
	id, err := event.ParseID(s)
	if err != nil {
		panic(err) // a constant of this package is not an id: the first test that builds the document finds it
	}
	return id
}

func exampleSubscription() Subscription {
	return show(event.Subscription{
		ID: exampleID(exampleSubscriptionID), Tenant: event.DefaultTenant, TargetURL: "https://example.com/webhook",
		EventTypes: []string{"user.created", "user.updated"}, Secrets: []event.Secret{"example"},
		Headers: map[string]string{"X-Team": "shop", "Authorization": "example"}, Active: true,
		CreatedAt: exampleTime(0), UpdatedAt: exampleTime(0),
	})
}
