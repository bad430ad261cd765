package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/webhook"
)

// outgoing describes what receivers get: the webhooks section of the document.
func outgoing(types huma.Registry) *huma.PathItem {
	body := request[EventInput](types, namedExample{"user", "A user was created", exampleBody})
	body.Description = "The bytes that were sent to /webhooks/ingest, unchanged, with the Content-Type they came with (without its parameters, if these are broken or name another charset than UTF-8, which JSON always is). Signatures are over these bytes: verify before parsing."
	signed := " Only where the subscription has a secret; the example is for the body " + exampleBody + " and the secret " + exampleSecret + "."
	signature := exampleSignature()
	return &huma.PathItem{Post: &huma.Operation{
		OperationID: "delivery", Method: http.MethodPost, Tags: []string{tagWebhooks},
		Summary:     "What a subscription's target gets",
		Description: "An answer of 200 to 299 is success, whatever its body. 410 ends the delivery and disables the subscription. 429 and 503 may ask for time with Retry-After. Redirects are not followed. Everything that is not a success is retried by the subscription's schedule. The same event may come twice: webhook-id tells.",
		Parameters: []*huma.Param{
			outgoingHeader("webhook-id", "The event's id, the same on every attempt.", exampleEventID, true),
			outgoingHeader("webhook-timestamp", "When this attempt was made, in Unix seconds."+signed, signature.Get(webhook.HeaderTimestamp), false),
			outgoingHeader("webhook-signature", "Standard Webhooks: v1, and the base64 of HMAC-SHA256 over webhook-id.webhook-timestamp.body; one for each valid secret, separated by spaces."+signed, signature.Get(webhook.HeaderSignature), false),
			outgoingHeader("X-Hub-Signature-256", "sha256= and the hex of HMAC-SHA256 over the body alone."+signed, signature.Get(webhook.HeaderHubSignature), false),
			outgoingHeader("User-Agent", "Hookferry and its version.", "Hookferry/1.0.0", true),
		},
		RequestBody: body,
		Responses: map[string]*huma.Response{
			"2XX":     {Description: "The webhook was taken."},
			"410":     {Description: "The endpoint is gone: no more attempts, and the subscription is disabled."},
			"429":     {Description: "Too many; Retry-After is honoured, up to 24 hours."},
			"503":     {Description: "Not now; Retry-After is honoured, up to 24 hours."},
			"default": {Description: "A failure; the delivery is tried again while the schedule has attempts left."},
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

// exampleSignature is what a receiver gets with exampleBody, so that a receiver
// can be tried with it.
func exampleSignature() http.Header {
	h := http.Header{}
	signer, err := webhook.NewSigner(exampleSecret)
	if err == nil {
		err = signer.SignHeader(h, exampleEventID, exampleTime(1), []byte(exampleBody))
	}
	if err != nil {
		panic(err) // constants of this package can't be signed: found by the first test that builds the document
	}
	return h
}
