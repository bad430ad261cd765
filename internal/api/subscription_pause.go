package api

import (
	"cmp"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// PauseInput is the body of a pause. The body is optional.
type PauseInput struct {
	Reason string `json:"reason,omitempty" nullable:"true" maxLength:"500" doc:"Why the subscription is paused. It is shown with the pause."`
}

// anonymous is the name in paused_by if the service needs no key.
const anonymous = "anonymous"

// pauseSubscription pauses a subscription. Pausing it again does not change the time. It changes
// who paused it and why only if it gives a reason: someone who repeats a pause without a reason
// does not mean to erase what another person wrote.
func (a *api) pauseSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	s, err := a.subscriptionInPath(r, c)
	if err != nil {
		return err
	}
	var in PauseInput
	if err := a.readOptional(r, &in); err != nil {
		return err
	}
	p := event.Pause{At: a.now(), By: cmp.Or(c.caller, anonymous), Reason: in.Reason}
	if err := p.Check(); err != nil {
		return err
	}
	if !s.Paused() || in.Reason != "" {
		if s, err = c.view.PauseSubscription(r.Context(), s.ID, p); err != nil {
			return a.notFoundProblem(r.Context(), c.view, err, aSubscription, s.ID)
		}
	}
	return writeSubscription(w, http.StatusOK, s, SubscriptionInput{}, nil)
}

// resumeSubscription ends a pause. If the subscription is not paused, it changes nothing.
func (a *api) resumeSubscription(w http.ResponseWriter, r *http.Request, c call) error {
	s, err := a.subscriptionInPath(r, c)
	if err != nil {
		return err
	}
	after, err := c.view.ResumeSubscription(r.Context(), s.ID, a.now())
	if err != nil {
		return a.notFoundProblem(r.Context(), c.view, err, aSubscription, s.ID)
	}
	return writeSubscription(w, http.StatusOK, after, SubscriptionInput{}, nil)
}

// readOptional reads a JSON object into the struct that in points to. It does nothing if the
// request has no body.
func (a *api) readOptional(r *http.Request, in any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return a.readInto(r, in)
}

func (a *api) pauseOperations(types huma.Registry) []operation {
	paused := exampleSubscription()
	at, by, reason := exampleTime(9), "ops", "database maintenance at the customer"
	paused.PausedAt, paused.PausedBy, paused.PausedReason = &at, &by, &reason
	body := request[PauseInput](types, namedExample{"reason", "With a reason", `{"reason": "` + reason + `"}`})
	body.Required = false
	return []operation{
		{needs: event.ScopeAdmin, serve: a.pauseSubscription, Operation: huma.Operation{
			OperationID: "pauseSubscription", Method: http.MethodPost, Path: "/subscriptions/{id}/pause",
			Tags: []string{tagSubscriptions}, Summary: "Pause the deliveries of a subscription",
			Description: "Events are still accepted, but their deliveries wait until the subscription is resumed. Its settings do not change. Requests in flight finish, and another one may start up to 5 s after the response. Deliveries that wait for longer than LOG_RETENTION are cancelled. Pausing a paused subscription changes nothing, except that a reason replaces paused_by and paused_reason.",
			Parameters:  []*huma.Param{tenantOfUID()},
			RequestBody: body,
			Responses: responses(map[string]*huma.Response{
				"200": withETag(jsonResponse(types, "The paused subscription.", paused)),
			}, 400, 404, 408, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.resumeSubscription, Operation: huma.Operation{
			OperationID: "resumeSubscription", Method: http.MethodPost, Path: "/subscriptions/{id}/resume",
			Tags: []string{tagSubscriptions}, Summary: "Resume the deliveries of a subscription",
			Description: "Pending deliveries continue in the order in which they became due, within the rate limit and concurrency of the subscription. Resuming a subscription that is not paused changes nothing. The request needs no body.",
			Parameters:  []*huma.Param{tenantOfUID()},
			Responses: responses(map[string]*huma.Response{
				"200": withETag(jsonResponse(types, "The resumed subscription.", exampleSubscription())),
			}, 400, 404, 422),
		}},
	}
}
