package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/webhook"
)

// outgoing describes the requests that endpoints get: the webhooks section of the document.
func outgoing(types huma.Registry) *huma.PathItem {
	body := request[EventInput](types, namedExample{"user", "A user was created", exampleBody})
	body.Description = "The bytes that were sent to /webhooks/ingest, unchanged, or only the value of data if the subscription's body is data. Content-Type is that of the published event; its parameters are removed if they are broken or name a charset other than UTF-8. Signatures cover the bytes of this body, so verify before you parse."
	return &huma.PathItem{Post: &huma.Operation{
		OperationID: "delivery", Method: http.MethodPost, Tags: []string{tagWebhooks},
		Summary:     "The request that an endpoint gets",
		Description: "The status of the response decides; its body does not matter. The same event may arrive twice, with the same webhook-id. The request also carries the headers of the subscription, and Accept: */* unless they contain Accept.",
		Parameters:  outgoingHeaders(),
		RequestBody: body,
		Responses:   outgoingResponses(),
	}}
}

func outgoingHeaders() []*huma.Param {
	const signed = " Only if the subscription has a secret. The example is for the body " + exampleBody + " and the secret " + exampleSecret + "."
	const ofData = " Only if the subscription's body is data."
	signature := exampleSignature()
	return []*huma.Param{
		outgoingHeader("webhook-id", "The event's id, the same on every attempt.", exampleEventID, true),
		outgoingHeader("webhook-timestamp", "The time of this attempt, in Unix seconds.", signature.Get(webhook.HeaderTimestamp), true),
		outgoingHeader("webhook-signature", "Standard Webhooks: \"v1,\" and the base64 of HMAC-SHA256 over webhook-id.webhook-timestamp.body; one signature for each valid secret, separated by spaces."+signed, signature.Get(webhook.HeaderSignature), false),
		outgoingHeader("X-Hub-Signature-256", "\"sha256=\" and the hex of HMAC-SHA256 over the body alone, with the newest secret."+signed, signature.Get(webhook.HeaderHubSignature), false),
		outgoingHeader("webhook-event", "The event type."+ofData, "user.created", false),
		outgoingHeader("webhook-attempt", "The number of the attempt, 1 for the first."+ofData, "1", false),
		outgoingHeader("User-Agent", "Hookferry and its version.", "Hookferry/1.0.0", true),
	}
}

// outgoingResponses describes what each status of an endpoint's response means.
func outgoingResponses() map[string]*huma.Response {
	all := map[string]*huma.Response{
		"2XX":     {Description: "The webhook is delivered."},
		"410":     {Description: "The endpoint is gone. The delivery fails, and the subscription is disabled."},
		"default": {Description: "A failed attempt. The delivery is retried on the subscription's retry schedule, and fails if no retries are left. This includes redirects, which are not followed."},
	}
	for status, reason := range map[string]string{
		"429": "Too many requests.", "502": "A gateway got no valid response.", "503": "The endpoint is unavailable.", "504": "A gateway got no response in time.",
	} {
		r := &huma.Response{Description: reason + " With Retry-After, no request goes to the endpoint until then, and the attempt uses no retry. Then one request is sent, and one more at a time with each success. If the endpoint keeps responding like this, the wait grows, and a delivery fails when it has been due for 24 hours without a success. Without a valid Retry-After, it is a failed attempt like any other."}
		all[status] = withHeader(r, "Retry-After", "How long to wait, in seconds, or until when, as an HTTP date: at least 1 second and at most 24 hours.", "120")
	}
	return all
}

func outgoingHeader(name, description, example string, required bool) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: description, Required: required, Example: example, Schema: &huma.Schema{Type: huma.TypeString}}
}

const (
	exampleBody   = `{"event":"user.created","data":{"id":123}}`
	exampleSecret = "whsec_aG9va2ZlcnJ5LWV4YW1wbGUtc2VjcmV0LTMyLWJ5dGU="
)

// exampleSignature returns the signature headers of exampleBody, so that a reader can try a
// verifier with the example.
func exampleSignature() http.Header {
	h := http.Header{}
	signer, err := webhook.NewSigner(exampleSecret)
	if err == nil {
		err = signer.SignHeader(h, exampleEventID, exampleTime(1), []byte(exampleBody))
	}
	if err != nil {
		panic(err) // constants of this package can't be signed: the first test that builds the document finds it
	}
	return h
}
