package api

import (
	"net/http"

	"github.com/hookferry/hookferry/internal/event"
)

// MatchList is one page of the subscriptions of a tenant, each with whether it matches.
type MatchList struct {
	Data []Match `json:"data" nullable:"false"`
	Next *string `json:"next" doc:"The cursor of the next page; null on the last one."`
}

// Match says whether a subscription would get an event.
type Match struct {
	SubscriptionID event.ID `json:"subscription_id" format:"uuid"`
	Matched        bool     `json:"matched"`
	Rule           *string  `json:"rule" doc:"The first rule that does not hold: active, event_types, channels or filter; null if the subscription matches."`
	Reason         *string  `json:"reason" doc:"Why, in words; null if the subscription matches and is not paused."`
	Delivery       *string  `json:"delivery" format:"uuid" doc:"null: nothing was stored."`
}

// matchEvent reads the same body as a publish, and stores nothing.
func (a *api) matchEvent(w http.ResponseWriter, r *http.Request, c call) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	limit, from := q.limit(), q.cursor(ofMatches)
	if err := q.end(); err != nil {
		return err
	}
	body, err := a.readJSON(r)
	if err != nil {
		return err
	}
	defer body.release()
	pub, err := a.readPublication(body.bytes)
	if err != nil {
		return err
	}
	found, more, err := c.view.Match(r.Context(), pub, from.id, limit)
	if err != nil {
		return err
	}
	out := MatchList{Data: make([]Match, len(found))}
	for i, m := range found {
		out.Data[i] = Match{SubscriptionID: m.Subscription, Matched: m.Matched, Rule: orNull(m.Rule), Reason: orNull(m.Reason)}
	}
	if more {
		out.Next = ptr(cursor{order: ofMatches, id: found[len(found)-1].Subscription}.String())
	}
	return writeJSON(w, http.StatusOK, out)
}
