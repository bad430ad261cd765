package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/webhook"
)

// outgoing describes the requests that endpoints get: the webhooks section of the document.
func outgoing(types huma.Registry) *huma.PathItem {
	body := request[EventInput](types, namedExample{"user", "A user was created", exampleBody})
	body.Description = "The bytes that were sent to /webhooks/ingest, unchanged, with their Content-Type. Its parameters are removed if they are broken or name a charset other than UTF-8. Signatures cover these bytes, so verify before you parse."
	signed := " Only if the subscription has a secret. The example is for the body " + exampleBody + " and the secret " + exampleSecret + "."
	signature := exampleSignature()
	return &huma.PathItem{Post: &huma.Operation{
		OperationID: "delivery", Method: http.MethodPost, Tags: []string{tagWebhooks},
		Summary:     "The request that an endpoint gets",
		Description: "A response of 200 to 299 is a success, whatever its body. 410 ends the delivery and disables the subscription. 429, 502, 503 and 504 may set a time to wait with Retry-After. Redirects are not followed. Everything else is a failure, and is retried on the subscription's retry schedule. The same event may arrive twice, with the same webhook-id.",
		Parameters: []*huma.Param{
			outgoingHeader("webhook-id", "The event's id, the same on every attempt.", exampleEventID, true),
			outgoingHeader("webhook-timestamp", "The time of this attempt, in Unix seconds."+signed, signature.Get(webhook.HeaderTimestamp), false),
			outgoingHeader("webhook-signature", "Standard Webhooks: \"v1,\" and the base64 of HMAC-SHA256 over webhook-id.webhook-timestamp.body; one signature for each valid secret, separated by spaces."+signed, signature.Get(webhook.HeaderSignature), false),
			outgoingHeader("X-Hub-Signature-256", "\"sha256=\" and the hex of HMAC-SHA256 over the body alone."+signed, signature.Get(webhook.HeaderHubSignature), false),
			outgoingHeader("User-Agent", "Hookferry and its version.", "Hookferry/1.0.0", true),
		},
		RequestBody: body,
		Responses: map[string]*huma.Response{
			"2XX":     {Description: "The webhook is accepted."},
			"410":     {Description: "The endpoint is gone. The delivery fails, and the subscription is disabled."},
			"429":     {Description: "Too many requests. Retry-After is honoured, up to 24 hours."},
			"503":     {Description: "The endpoint is unavailable. Retry-After is honoured, up to 24 hours."},
			"default": {Description: "A failure. The delivery is retried while its schedule has retries left."},
		},
	}}
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
