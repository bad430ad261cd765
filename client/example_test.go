package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/hookferry/hookferry/client"
)

// A program that tells a customer about new users.
func Example() {
	service := httptest.NewServer(http.HandlerFunc(pretend)) // `hookferry serve --dev` is at http://127.0.0.1:8000
	defer service.Close()

	ctx := context.Background()
	c, err := client.New(service.URL, client.WithKey("hf_example"))
	if err != nil {
		panic(err)
	}
	sub, err := c.CreateSubscription(ctx, client.SubscriptionInput{
		TargetURL:  "https://example.com/webhook",
		Secret:     "whsec_aG9va2ZlcnJ5LWV4YW1wbGUtc2VjcmV0LTMyLWJ5dGU=",
		EventTypes: []string{"user.*"},
	})
	if err != nil {
		panic(err)
	}
	receipt, err := c.PublishTo(ctx, sub.ID, client.Event{
		Type:           "user.created",
		Data:           map[string]any{"id": 123, "name": "John Doe"},
		IdempotencyKey: "user-123-created",
	})
	if err != nil {
		panic(err)
	}
	delivery, err := c.Delivery(ctx, receipt.DeliveryID)
	if err != nil {
		panic(err)
	}
	for _, a := range delivery.Attempts {
		fmt.Printf("attempt %d: status %d, error %q\n", a.AttemptNumber, a.StatusCode, a.Error)
	}
	fmt.Println(delivery.Status)

	_, err = c.Subscription(ctx, "no-such-id")
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		fmt.Println(problem.Status, problem.Code)
	}
	// Output:
	// attempt 1: status 503, error "responded with 503 Service Unavailable"
	// attempt 2: status 200, error ""
	// delivered
	// 404 not_found
}

// A program that publishes an event once, for all of a tenant's subscriptions that want it.
func ExampleClient_Publish() {
	service := httptest.NewServer(http.HandlerFunc(pretend))
	defer service.Close()

	ctx := context.Background()
	c, err := client.New(service.URL, client.WithKey("hf_example"))
	if err != nil {
		panic(err)
	}
	event := client.Event{
		Tenant:         "acme",
		Type:           "invoice.paid",
		Data:           map[string]any{"id": "in_8814", "amount": 4900},
		IdempotencyKey: "invoice-8814",
	}
	published, err := c.Publish(ctx, event)
	if err != nil {
		panic(err)
	}
	fmt.Println("deliveries:", published.Deliveries)

	for match, err := range c.Match(ctx, event) { // why does a subscription not get it?
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s %t %q\n", match.SubscriptionID, match.Matched, match.Rule)
	}
	// Output:
	// deliveries: 2
	// s1 true ""
	// s2 true ""
	// s3 false "channels"
}

// pretend responds as the service would.
func pretend(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + r.URL.Path {
	case "POST /subscriptions/":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id": "s1", "target_url": "https://example.com/webhook", "event_types": ["user.*"], "is_active": true}`)
	case "POST /events/":
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"event_id": "e1", "tenant": "acme", "deliveries": 2, "refused": 0, "duplicate": false}`)
	case "POST /events/match":
		io.WriteString(w, `{"data": [{"subscription_id": "s1", "matched": true}, {"subscription_id": "s2", "matched": true},
			{"subscription_id": "s3", "matched": false, "rule": "channels"}], "next": null}`)
	case "POST /webhooks/ingest/s1":
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"delivery_id": "d1", "event_id": "e1", "status": "pending"}`)
	case "GET /status/delivery/d1":
		io.WriteString(w, `{"id": "d1", "status": "delivered", "attempts": [
			{"attempt_number": 1, "status_code": 503, "success": false, "error": "responded with 503 Service Unavailable"},
			{"attempt_number": 2, "status_code": 200, "success": true, "error": null}]}`)
	default:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"title": "Not Found", "status": 404, "code": "not_found", "detail": "There is nothing with this id."}`)
	}
}
