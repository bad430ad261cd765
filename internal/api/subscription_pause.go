package api

import (
	"cmp"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// PauseInput is the body of a pause, which may be left out.
type PauseInput struct {
	Reason string `json:"reason,omitempty" nullable:"true" maxLength:"500" doc:"Why, for the people who see that it is paused."`
}

// anonymous is who pauses a subscription where no key is needed.
const anonymous = "anonymous"

// pauseSubscription makes deliveries wait. A pause of a paused subscription keeps its time. Only
// with a reason does it replace who paused it and why: whoever repeats a pause without one does
// not mean to wipe what another has written.
func (a *api) pauseSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	s, err := a.existing(r, path)
	if err != nil {
		return err
	}
	var in PauseInput
	if err := a.readOptional(r, &in); err != nil {
		return err
	}
	p := event.Pause{At: a.now(), By: cmp.Or(path.caller, anonymous), Reason: in.Reason}
	if err := p.Check(); err != nil {
		return err
	}
	if !s.Paused() || in.Reason != "" {
		if s, err = a.Subscriptions.PauseSubscription(r.Context(), s.ID, p); err != nil {
			return a.notHere(r.Context(), err, aSubscription, s.ID)
		}
	}
	return writeSubscription(w, http.StatusOK, s, SubscriptionInput{}, nil)
}

// resumeSubscription ends a pause. Without one, it changes nothing.
func (a *api) resumeSubscription(w http.ResponseWriter, r *http.Request, path params) error {
	s, err := a.existing(r, path)
	if err != nil {
		return err
	}
	after, err := a.Subscriptions.ResumeSubscription(r.Context(), s.ID, a.now())
	if err != nil {
		return a.notHere(r.Context(), err, aSubscription, s.ID)
	}
	return writeSubscription(w, http.StatusOK, after, SubscriptionInput{}, nil)
}

// readOptional reads a JSON object into the struct that in points to, unless the request has no
// body at all.
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
			Description: "Events are accepted as before, and their deliveries wait until the subscription is resumed; settings stay as they are. Requests that are in flight end. Another one may still start for up to 5 s after the response, on nodes that hints do not reach. Deliveries that have waited for longer than the log retention are cancelled. To pause a paused subscription changes nothing; with a reason, it replaces paused_by and paused_reason.",
			RequestBody: body,
			Responses: responses(map[string]*huma.Response{
				"200": withETag(answer(types, "The subscription, which is paused.", paused)),
			}, 400, 404, 408, 413, 415, 422),
		}},
		{needs: event.ScopeAdmin, serve: a.resumeSubscription, Operation: huma.Operation{
			OperationID: "resumeSubscription", Method: http.MethodPost, Path: "/subscriptions/{id}/resume",
			Tags: []string{tagSubscriptions}, Summary: "Resume the deliveries of a subscription",
			Description: "What has waited is delivered: what was due first comes first, at the rate and concurrency of the subscription. To resume a subscription that is not paused changes nothing. It needs no body.",
			Responses: responses(map[string]*huma.Response{
				"200": withETag(answer(types, "The subscription, which is not paused.", exampleSubscription())),
			}, 404),
		}},
	}
}
