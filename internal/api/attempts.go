package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// Attempt is one HTTP request made for a delivery.
type Attempt struct {
	AttemptNumber int       `json:"attempt_number" doc:"1 for the first."`
	Timestamp     time.Time `json:"timestamp" doc:"When the attempt started."`
	StatusCode    *int      `json:"status_code" doc:"The status of the response; null if none came."`
	Success       bool      `json:"success" doc:"Whether the endpoint responded with 200 to 299."`
	Error         *string   `json:"error" doc:"What went wrong, in words; null on success."`
	ErrorCode     *string   `json:"error_code" doc:"What went wrong, for programs: timeout, connection_refused, http_status and so on; null on success."`
	DurationMS    float64   `json:"duration_ms"`
	Phases        Phases    `json:"phases"`
	Peer          *string   `json:"peer" doc:"The address that was dialled, successfully or not; null if none was."`
	Response      *string   `json:"response" doc:"The beginning of the response body, up to 4 KiB. Bytes that are not UTF-8 are replaced. null if no response came."`
}

// Phases break down the time of an attempt.
type Phases struct {
	DNSMS       float64 `json:"dns_ms" doc:"0 if no lookup was needed, for example on a reused connection."`
	ConnectMS   float64 `json:"connect_ms"`
	TLSMS       float64 `json:"tls_ms"`
	FirstByteMS float64 `json:"first_byte_ms" doc:"From the end of writing the request to the first byte of the response."`
}

// AttemptEntry is an attempt in a subscription's list of attempts.
type AttemptEntry struct {
	Attempt
	DeliveryID event.ID `json:"delivery_id" format:"uuid"`
	EventID    event.ID `json:"event_id" format:"uuid"`
	Event      string   `json:"event" doc:"The event type."`
}

// AttemptList is one page of a subscription's attempts.
type AttemptList struct {
	SubscriptionID event.ID       `json:"subscription_id" format:"uuid"`
	Tenant         string         `json:"tenant" doc:"The tenant of the subscription."`
	PausedAt       *time.Time     `json:"paused_at" doc:"When the subscription was paused; null if it is not paused. While it is paused, its deliveries wait."`
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

// listAttempts also lists the attempts of a deleted subscription, until they expire.
func (a *api) listAttempts(w http.ResponseWriter, r *http.Request, c call) error {
	subscription, err := c.id("subscription_id")
	if err != nil {
		return err
	}
	p, err := readPage(r)
	if err != nil {
		return err
	}
	s, err := c.view.Subscription(r.Context(), subscription)
	if err != nil {
		return a.notFoundProblem(r.Context(), c.view, err, aSubscription, subscription)
	}
	found, err := c.view.ListAttempts(r.Context(), subscription, p.before, p.limit+1)
	if err != nil {
		return err
	}
	found, next := cutPage(found, p, func(e event.AttemptReport) event.ID { return e.Attempt.ID })
	list := AttemptList{SubscriptionID: subscription, Tenant: s.Tenant, PausedAt: timeOrNull(s.PausedAt), Data: make([]AttemptEntry, len(found)), Next: next}
	for i, e := range found {
		list.Data[i] = AttemptEntry{Attempt: showAttempt(e.Attempt), DeliveryID: e.Attempt.DeliveryID, EventID: e.EventID, Event: e.EventType}
	}
	return writeJSON(w, http.StatusOK, list)
}

func (a *api) attemptsOperation(types huma.Registry) operation {
	example := AttemptList{SubscriptionID: exampleID(exampleSubscriptionID), Tenant: event.DefaultTenant, Data: []AttemptEntry{{
		Attempt: showAttempt(exampleAttempts()[1]), DeliveryID: exampleID(exampleDeliveryID), EventID: exampleID(exampleEventID), Event: "user.created",
	}}}
	return operation{needs: event.ScopeRead, serve: a.listAttempts, Operation: huma.Operation{
		OperationID: "listAttempts", Method: http.MethodGet, Path: "/status/subscription/{subscription_id}",
		Tags: []string{tagStatus}, Summary: "List the attempts of a subscription, newest first",
		Description: "The attempts of a deleted subscription stay readable until they expire (LOG_RETENTION).",
		Parameters:  pageParameters(),
		Responses:   responses(map[string]*huma.Response{"200": jsonResponse(types, "One page.", example)}, 400, 404, 422),
	}}
}
