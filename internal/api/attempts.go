package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Attempt is one request that was made for a delivery.
type Attempt struct {
	AttemptNumber int       `json:"attempt_number" doc:"1 for the first."`
	Timestamp     time.Time `json:"timestamp" doc:"When it began."`
	StatusCode    *int      `json:"status_code" doc:"null if no answer came."`
	Success       bool      `json:"success" doc:"Whether the receiver answered 200 to 299."`
	Error         *string   `json:"error" doc:"What went wrong, in words; null on success."`
	ErrorCode     *string   `json:"error_code" doc:"What went wrong, for programs: timeout, connection_refused, http_status and so on; null on success."`
	DurationMS    float64   `json:"duration_ms"`
	Phases        Phases    `json:"phases"`
	Peer          *string   `json:"peer" doc:"The address that was connected to, or could not be; null if it came to none."`
	Response      *string   `json:"response" doc:"The beginning of the answer's body, at most 4 KiB; bytes that are not UTF-8 are replaced. null if no answer came."`
}

// Phases say where the time of an attempt went.
type Phases struct {
	DNSMS       float64 `json:"dns_ms" doc:"0 if it did not happen, as on a connection that was kept."`
	ConnectMS   float64 `json:"connect_ms"`
	TLSMS       float64 `json:"tls_ms"`
	FirstByteMS float64 `json:"first_byte_ms" doc:"From the request written to the first byte of the answer."`
}

// AttemptEntry is an attempt in the list of a subscription's.
type AttemptEntry struct {
	Attempt
	DeliveryID event.ID `json:"delivery_id" format:"uuid"`
	EventID    event.ID `json:"event_id" format:"uuid"`
	Event      string   `json:"event" doc:"The event type."`
}

// AttemptList is one page of a subscription's attempts.
type AttemptList struct {
	SubscriptionID event.ID       `json:"subscription_id" format:"uuid"`
	PausedAt       *time.Time     `json:"paused_at" doc:"Since when the subscription is paused and its deliveries wait; null if it is not paused."`
	Data           []AttemptEntry `json:"data" nullable:"false"`
	Next           *string        `json:"next" doc:"The cursor of the next page; null on the last one."`
}

func showAttempt(a event.Attempt) Attempt {
	o := a.Outcome
	out := Attempt{
		AttemptNumber: a.Number, Timestamp: o.StartedAt.UTC(), StatusCode: orNull(o.StatusCode), Success: o.Success(),
		Error: orNull(o.Error), ErrorCode: orNull(string(o.Code)), DurationMS: milliseconds(o.Duration),
		Phases: Phases{
			DNSMS: milliseconds(o.Phases.DNS), ConnectMS: milliseconds(o.Phases.Connect),
			TLSMS: milliseconds(o.Phases.TLS), FirstByteMS: milliseconds(o.Phases.FirstByte),
		},
		Peer: orNull(o.Peer),
	}
	if o.StatusCode != 0 {
		response := string(o.Response)
		out.Response = &response
	}
	return out
}

// listAttempts answers for deleted subscriptions too, as long as their history is kept.
func (a *api) listAttempts(w http.ResponseWriter, r *http.Request, path params) error {
	subscription, err := path.id("subscription_id")
	if err != nil {
		return err
	}
	p, err := readPage(r)
	if err != nil {
		return err
	}
	s, err := a.Subscriptions.Subscription(r.Context(), subscription)
	if err != nil {
		return a.notHere(r.Context(), err, aSubscription, subscription)
	}
	found, err := a.History.ListAttempts(r.Context(), subscription, p.before, p.limit+1)
	if err != nil {
		return err
	}
	found, next := cut(found, p, func(e event.AttemptReport) event.ID { return e.Attempt.ID })
	list := AttemptList{SubscriptionID: subscription, PausedAt: timeOrNull(s.PausedAt), Data: make([]AttemptEntry, len(found)), Next: next}
	for i, e := range found {
		list.Data[i] = AttemptEntry{Attempt: showAttempt(e.Attempt), DeliveryID: e.Attempt.DeliveryID, EventID: e.EventID, Event: e.EventType}
	}
	return writeJSON(w, http.StatusOK, list)
}

func (a *api) attemptsOperation(types huma.Registry) operation {
	example := AttemptList{SubscriptionID: exampleID(exampleSubscriptionID), Data: []AttemptEntry{{
		Attempt: showAttempt(exampleAttempts()[1]), DeliveryID: exampleID(exampleDeliveryID), EventID: exampleID(exampleEventID), Event: "user.created",
	}}}
	return operation{needs: event.ScopeRead, serve: a.listAttempts, Operation: huma.Operation{
		OperationID: "listAttempts", Method: http.MethodGet, Path: "/status/subscription/{subscription_id}",
		Tags: []string{tagStatus}, Summary: "List the attempts of a subscription, newest first",
		Description: "A deleted subscription's attempts can be read until they are past the log retention.",
		Parameters:  pageParameters(),
		Responses:   responses(map[string]*huma.Response{"200": answer(types, "One page.", example)}, 400, 404, 422),
	}}
}
