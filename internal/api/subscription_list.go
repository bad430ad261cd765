package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/event"
)

// SubscriptionList is one page of subscriptions.
type SubscriptionList struct {
	Data          []Subscription `json:"data" nullable:"false"`
	Next          *string        `json:"next" doc:"The cursor of the next page; null on the last one."`
	Prev          *string        `json:"prev" doc:"The cursor of the previous page; null on the first one."`
	SearchedUntil *string        `json:"searched_until" doc:"Only if a search with filters was stopped after 8 ms: how far it came, as the created_at or the name of a subscription, depending on sort. next, or prev, goes on from there. Otherwise null."`
}

// The states of a subscription.
const (
	stateDisabled = "disabled"
	statePaused   = "paused"
	stateFailing  = "failing"
	stateHealthy  = "healthy"
)

// stateOf returns the first state that applies.
func stateOf(s *event.Subscription) string {
	switch {
	case !s.Active:
		return stateDisabled
	case s.Paused():
		return statePaused
	case s.Health.Failing:
		return stateFailing
	}
	return stateHealthy
}

// subscriptionFilter is what the query of a list asks for.
type subscriptionFilter struct {
	tenant    string
	text      string // in lower case
	state     string
	eventType string
	sort      event.SubscriptionOrder
}

func readSubscriptionFilter(q *query) subscriptionFilter {
	f := subscriptionFilter{
		text:      q.search(),
		state:     q.oneOf("state", stateDisabled, statePaused, stateFailing, stateHealthy),
		eventType: q.checked("event_type", event.CheckEventType),
	}
	f.tenant, _ = q.text("tenant")
	if q.oneOf("sort", "created", "name") == "name" {
		f.sort = event.OrderName
	}
	return f
}

func (f *subscriptionFilter) order() order {
	if f.sort == event.OrderName {
		return byName
	}
	return byCreation
}

// keep reports whether a subscription passes the filter.
func (f *subscriptionFilter) keep(s *event.Subscription) bool {
	return (f.state == "" || stateOf(s) == f.state) &&
		(f.eventType == "" || event.Wants(s.EventTypes, f.eventType)) &&
		containsText(f.text, s.Name, s.TargetURL, s.Description, s.UID)
}

// containsText reports whether one of the texts contains a text in lower case, in any case.
func containsText(lower string, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(strings.ToLower(text), lower) {
			return true
		}
	}
	return false
}

func (f *subscriptionFilter) place(s *event.Subscription) (at cursor, words string) {
	if f.sort == event.OrderName {
		return cursor{order: byName, id: s.ID, name: s.Name}, s.Name
	}
	return cursor{order: byCreation, id: s.ID}, s.CreatedAt.UTC().Format(time.RFC3339Nano)
}

func (a *api) listSubscriptions(w http.ResponseWriter, r *http.Request, c call) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	limit := q.limit()
	f := readSubscriptionFilter(q)
	from := q.cursor(f.order())
	if err := q.end(); err != nil {
		return err
	}
	l := list[event.Subscription]{limit: limit, from: from, place: f.place, read: func(from cursor, n int) ([]event.Subscription, error) {
		at := event.SubscriptionPosition{ID: from.id, Name: from.name}
		sq := event.SubscriptionQuery{Order: f.sort, After: at, Limit: n}
		if from.isBack {
			sq.After, sq.Before = event.SubscriptionPosition{}, at
		}
		return c.view.ListSubscriptions(r.Context(), f.tenant, sq)
	}}
	if f.text != "" || f.state != "" || f.eventType != "" {
		l.keep = f.keep
	}
	found, err := l.search(a.Now)
	if err != nil {
		return err
	}
	out := SubscriptionList{Data: make([]Subscription, len(found.items)), Next: found.next, Prev: found.prev, SearchedUntil: found.until}
	for i, s := range found.items {
		out.Data[i] = show(s)
	}
	return writeJSON(w, http.StatusOK, out)
}

func (a *api) listSubscriptionsOperation(types huma.Registry) operation {
	return operation{needs: event.ScopeRead, serve: a.listSubscriptions, Operation: huma.Operation{
		OperationID: "listSubscriptions", Method: http.MethodGet, Path: "/subscriptions/",
		Tags: []string{tagSubscriptions}, Summary: "List subscriptions",
		Description: "Without filters, every page is full except the last one. A search with q, state or event_type looks for 8 ms at most: it may then respond with a page that is not full, or even empty, and a cursor that goes on from where it stopped.",
		Parameters: append(listParameters(),
			queryText("tenant", "Only of this tenant. Without it: of all tenants that the key may see."),
			queryText("q", "Only those whose name, target_url, description or uid contains this text, in any letter case."),
			queryOneOf("state", "Only those in this state.", stateDisabled, statePaused, stateFailing, stateHealthy),
			queryText("event_type", "Only those that want events of this type, including those that want all."),
			queryOneOf("sort", "created: newest first, which is the default. name: by the bytes of the name, then newest first.", "created", "name")),
		Responses: responses(map[string]*huma.Response{
			"200": jsonResponse(types, "One page.", SubscriptionList{Data: []Subscription{exampleSubscription()}}),
		}, 400, 404, 422),
	}}
}
