package api

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	exampleSchema  = `{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"amount":{"type":"integer"}}}`
	exampleOfType  = `{"id":"in_8814","amount":4900}`
	exampleTypeDoc = "An invoice was paid."
)

func exampleEventType() EventType {
	return showEventType(event.EventType{
		Name: "invoice.paid", Description: exampleTypeDoc, Schema: json.RawMessage(exampleSchema), Example: json.RawMessage(exampleOfType),
		CreatedAt: exampleTime(0), UpdatedAt: exampleTime(0),
	})
}

func (a *api) eventTypeOperations(types huma.Registry) []operation {
	fields := `"description": "` + exampleTypeDoc + `", "schema": ` + exampleSchema + `, "example": ` + exampleOfType + `}`
	return []operation{
		{needs: event.ScopeAdmin, allTenants: true, serve: a.createEventType, Operation: huma.Operation{
			OperationID: "createEventType", Method: http.MethodPost, Path: "/event-types/",
			Tags: []string{tagEventTypes}, Summary: "Register an event type",
			Description: "Event types belong to the whole installation, not to a tenant. From now on, the data of events of this type must conform to the schema. An archived type is in use again afterwards.",
			RequestBody: request[EventTypeInput](types, namedExample{"invoice", "With a schema", `{"name": "invoice.paid", ` + fields}),
			Responses:   responses(map[string]*huma.Response{"201": jsonResponse(types, "The event type.", exampleEventType())}, 400, 408, 409, 413, 415, 422),
		}},
		{needs: event.ScopeRead, serve: a.listEventTypes, Operation: huma.Operation{
			OperationID: "listEventTypes", Method: http.MethodGet, Path: "/event-types/",
			Tags: []string{tagEventTypes}, Summary: "List event types by name, archived ones included",
			Parameters: listParameters(),
			Responses: responses(map[string]*huma.Response{
				"200": jsonResponse(types, "One page.", EventTypeList{Data: []EventType{exampleEventType()}}),
			}, 400, 422),
		}},
		{needs: event.ScopeRead, serve: a.getEventType, Operation: huma.Operation{
			OperationID: "getEventType", Method: http.MethodGet, Path: "/event-types/{name}",
			Tags: []string{tagEventTypes}, Summary: "Read an event type",
			Responses: responses(map[string]*huma.Response{"200": jsonResponse(types, "The event type.", exampleEventType())}, 404),
		}},
		{needs: event.ScopeAdmin, allTenants: true, serve: a.putEventType, Operation: huma.Operation{
			OperationID: "putEventType", Method: http.MethodPut, Path: "/event-types/{name}",
			Tags: []string{tagEventTypes}, Summary: "Register or replace an event type",
			Description: "Fields that are absent or null are removed. An archived type is in use again afterwards. You can read an event type, change it and send it back. If the name has a slash, encode it as %2F.",
			RequestBody: request[EventTypeReplaceInput](types, namedExample{"invoice", "With a schema", `{` + fields}),
			Responses: responses(map[string]*huma.Response{
				"201": jsonResponse(types, "The event type was registered.", exampleEventType()),
				"200": jsonResponse(types, "The event type was replaced.", exampleEventType()),
			}, 400, 408, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, allTenants: true, serve: a.archiveEventType, Operation: huma.Operation{
			OperationID: "archiveEventType", Method: http.MethodDelete, Path: "/event-types/{name}",
			Tags: []string{tagEventTypes}, Summary: "Archive an event type",
			Description: "It stays readable, and its schema no longer applies. If only registered types are accepted (HOOKFERRY_EVENT_TYPES=registered), events of this type are refused. Archiving an archived type changes nothing.",
			Responses:   responses(map[string]*huma.Response{"204": {Description: "The event type is archived."}}, 404),
		}},
	}
}
