package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

// EventInput is the body of an event. The endpoint gets all of it, byte for byte.
type EventInput struct {
	Event string `json:"event" minLength:"1" maxLength:"256" doc:"The event type: letters, digits and _ - : / in segments joined by dots."`
	Data  any    `json:"data" doc:"Any JSON value."`
}

// Accepted is the response to an accepted event. The event is on disk.
type Accepted struct {
	DeliveryID event.ID `json:"delivery_id" format:"uuid"`
	EventID    event.ID `json:"event_id" format:"uuid" doc:"Endpoints get it as webhook-id."`
	Status     string   `json:"status" const:"pending"`
}

// Filtered is the response to an event whose type the subscription does not want.
type Filtered struct {
	Status string `json:"status" const:"filtered"`
	Reason string `json:"reason"`
}

// ingest is the hot path. It checks the body's size and type, passes it on, and writes the response
// without an encoder.
func (a *api) ingest(w http.ResponseWriter, r *http.Request, c call) error {
	subscription, err := c.id("subscription_id")
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r.Header["Idempotency-Key"])
	if err != nil {
		return err
	}
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	done, err := c.view.Ingest(r.Context(), event.Submission{
		SubscriptionID: subscription,
		Body:           body.bytes,
		ContentType:    body.contentType,
		IdempotencyKey: key,
		Header:         r.Header,
	})
	if err != nil {
		return a.notFoundProblem(r.Context(), c.view, err, aSubscription, subscription)
	}
	if done.Filtered {
		return writeJSON(w, http.StatusOK, Filtered{Status: "filtered", Reason: done.Reason})
	}
	writeAccepted(w, done.Receipt)
	faultpoint.Reach("api: responding")
	return nil
}

// idempotencyKey returns the value of the header, or "" without one.
func idempotencyKey(values []string) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || checkIdempotencyKey(values[0]) != "" {
		return "", event.Invalid("Idempotency-Key", checkIdempotencyKey(""))
	}
	return values[0], nil
}

// checkIdempotencyKey returns what is wrong with an idempotency key, or "".
func checkIdempotencyKey(key string) string {
	if key == "" || len(key) > 255 || !isPrintable(key) {
		return "must be one value of 1 to 255 printable ASCII characters"
	}
	return ""
}

func writeAccepted(w http.ResponseWriter, receipt event.Receipt) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if receipt.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(http.StatusAccepted)
	w.Write(appendAccepted(make([]byte, 0, 136), receipt))
}

func appendAccepted(b []byte, receipt event.Receipt) []byte {
	b = append(b, `{"delivery_id":"`...)
	b, _ = receipt.Deliveries[0].AppendText(b)
	b = append(b, `","event_id":"`...)
	b, _ = receipt.Event.AppendText(b)
	return append(b, `","status":"pending"}`+"\n"...)
}

func (a *api) ingestOperation(types huma.Registry) operation {
	accepted := withHeader(
		jsonResponse(types, "The event is accepted: it and its delivery are on disk.", Accepted{DeliveryID: exampleID(exampleDeliveryID), EventID: exampleID(exampleEventID), Status: "pending"}),
		"Idempotency-Replayed", "true if the Idempotency-Key was used before with the same body: the ids are those of the first request, and nothing new was stored.", "true")
	return operation{needs: event.ScopePublish, serve: a.ingest, Operation: huma.Operation{
		OperationID: "ingestWebhook", Method: http.MethodPost, Path: "/webhooks/ingest/{subscription_id}",
		Tags: []string{tagWebhooks}, Summary: "Publish an event to a subscription",
		Description: "The body is delivered unchanged, byte for byte. It must be JSON in UTF-8, whatever charset its Content-Type names. A body that begins with a byte order mark is refused, because every endpoint would have to skip the mark. If the subscription has a secret and the request carries webhook-signature (Standard Webhooks) or X-Hub-Signature-256, the signature is verified. With require_signature, the request must carry one.",
		Parameters: []*huma.Param{{
			Name: "Idempotency-Key", In: "header", Description: "Makes it safe to send the same event again. Requests with the same key and body are stored once and get the same ids; the same key with another body is refused.",
			Schema: &huma.Schema{Type: huma.TypeString, MinLength: ptr(1), MaxLength: ptr(255)},
		}},
		RequestBody: request[EventInput](types, namedExample{"user", "A user was created", `{"event": "user.created", "data": {"id": 123, "name": "John Doe", "email": "john@example.com"}}`}),
		Responses: responses(map[string]*huma.Response{
			"202": accepted,
			"200": jsonResponse(types, "The subscription does not want this event type. Nothing was stored, and nothing is delivered.",
				Filtered{Status: "filtered", Reason: "the subscription wants user.created and user.updated, not order.paid"}),
		}, 400, 404, 408, 409, 413, 415, 422, 429),
	}}
}
