package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID             event.ID   `json:"id" format:"uuid"`
	Tenant         *string    `json:"tenant" doc:"The tenant of the subscription; null if nothing is known of the subscription any more."`
	SubscriptionID event.ID   `json:"subscription_id" format:"uuid"`
	EventID        event.ID   `json:"event_id" format:"uuid"`
	Event          string     `json:"event" doc:"The event type."`
	Status         string     `json:"status" enum:"pending,delivered,failed,cancelled"`
	CreatedAt      time.Time  `json:"created_at"`
	NextAttemptAt  *time.Time `json:"next_attempt_at" doc:"The earliest time of the next attempt; null if the delivery is not pending, or if the time is not known yet."`
	HeldReason     *string    `json:"held_reason" doc:"Why a pending delivery waits, for example because its subscription is paused; null if it only waits for its turn or its next retry."`
	SettledAt      *time.Time `json:"settled_at" doc:"When it was delivered, failed or cancelled; null if pending."`
	Attempts       []Attempt  `json:"attempts" nullable:"false" doc:"Oldest first."`
}

func (a *api) getDelivery(w http.ResponseWriter, r *http.Request, c call) error {
	id, err := c.id("delivery_id")
	if err != nil {
		return err
	}
	report, err := c.view.Delivery(r.Context(), id)
	if err != nil {
		return a.notFoundProblem(r.Context(), c.view, err, aDelivery, id)
	}
	out := showDelivery(report)
	sub, err := c.view.Subscription(r.Context(), report.Delivery.SubscriptionID)
	if err != nil && !errors.Is(err, event.ErrNotFound) {
		return err
	}
	out.Tenant = orNull(sub.Tenant)
	if d := &report.Delivery; err == nil && d.Status == event.Pending {
		at, why := sub.NextAttempt(d, a.now())
		out.NextAttemptAt, out.HeldReason = timeOrNull(at), orNull(why)
	}
	return writeJSON(w, http.StatusOK, out)
}

func showDelivery(r event.DeliveryReport) Delivery {
	d := r.Delivery
	out := Delivery{
		ID: d.ID, SubscriptionID: d.SubscriptionID, EventID: d.EventID, Event: r.EventType, Status: d.Status.String(),
		CreatedAt: d.CreatedAt.UTC(), SettledAt: timeOrNull(d.SettledAt), Attempts: make([]Attempt, len(r.Attempts)),
	}
	if d.Status == event.Pending {
		out.NextAttemptAt = timeOrNull(d.DueAt)
	}
	for i, attempt := range r.Attempts {
		out.Attempts[i] = showAttempt(attempt)
	}
	return out
}

func (a *api) deliveryOperation(types huma.Registry) operation {
	example := showDelivery(event.DeliveryReport{
		Delivery: event.Delivery{
			ID: exampleID(exampleDeliveryID), SubscriptionID: exampleID(exampleSubscriptionID), EventID: exampleID(exampleEventID),
			Status: event.Delivered, CreatedAt: exampleTime(1), SettledAt: exampleTime(11),
		},
		EventType: "user.created",
		Attempts:  exampleAttempts(),
	})
	example.Tenant = ptr(event.DefaultTenant)
	return operation{needs: event.ScopeRead, serve: a.getDelivery, Operation: huma.Operation{
		OperationID: "getDelivery", Method: http.MethodGet, Path: "/status/delivery/{delivery_id}",
		Tags: []string{tagStatus}, Summary: "Read a delivery and all its attempts",
		Responses: responses(map[string]*huma.Response{"200": jsonResponse(types, "The delivery.", example)}, 404),
	}}
}

const (
	exampleDeliveryID = "019ab2c4-61a2-7c3d-8e4f-5a6b7c8d9e0f"
	exampleEventID    = "019ab2c4-61a2-7b2c-9d3e-4f5a6b7c8d9e"
)

// exampleAttempts are a failure followed by a success.
func exampleAttempts() []event.Attempt {
	return []event.Attempt{
		{Number: 1, Outcome: event.Outcome{
			StartedAt: exampleTime(1), Duration: 1200 * time.Microsecond, Peer: "203.0.113.7:443",
			Code: event.CodeConnectionRefused, Error: "connection refused by 203.0.113.7:443",
		}},
		{Number: 2, Outcome: event.Outcome{
			StartedAt: exampleTime(11), Duration: 84 * time.Millisecond, Peer: "203.0.113.7:443", StatusCode: 200, Response: []byte("ok"),
			Phases: event.Phases{DNS: 3 * time.Millisecond, Connect: 12 * time.Millisecond, TLS: 25 * time.Millisecond, FirstByte: 41 * time.Millisecond},
		}},
	}
}
