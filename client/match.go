package client

import (
	"context"
	"iter"
	"net/http"
)

// Match says whether a subscription would get an event.
type Match struct {
	SubscriptionID string `json:"subscription_id"`
	Matched        bool   `json:"matched"`
	Rule           string `json:"rule,omitzero"`     // the first rule that does not hold: active, event_types, channels or filter; "" if it matches
	Reason         string `json:"reason,omitzero"`   // why, in words; "" if the subscription matches and is not paused
	Delivery       string `json:"delivery,omitzero"` // "": nothing was stored
}

// Match iterates over the subscriptions of the event's tenant, and says which would get the event if
// it was published, and why the others would not. It stores nothing. It stops at the first error.
func (c *Client) Match(ctx context.Context, e Event) iter.Seq2[Match, error] {
	body, err := e.body()
	if err != nil {
		return failed[Match](err)
	}
	return listOf[Match](ctx, c, call{method: http.MethodPost, path: "/events/match", body: body}, nil)
}
