package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/client"
)

func TestPublished(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"event_id":"e1","tenant":"acme","deliveries":3,"refused":1,"duplicate":true}`)
	})
	got, err := c.Publish(t.Context(), client.Event{Type: "a"})
	if want := (client.Published{EventID: "e1", Tenant: "acme", Deliveries: 3, Refused: 1, Duplicate: true}); err != nil || got != want {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
}

func TestPublishBatch(t *testing.T) {
	var sent string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = fmt.Sprintf("%s %s %s %q", r.Method, r.URL.RequestURI(), body, r.Header["Idempotency-Key"])
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"results":[{"event_id":"e1","tenant":"acme","deliveries":2,"refused":0,"duplicate":false},
			{"status":422,"code":"invalid","detail":"events[1].data: is missing","errors":[{"field":"events[1].data","message":"is missing"}]}]}`)
	})
	results, err := c.PublishBatch(t.Context(), []client.Event{
		{Type: "a", Data: 1, Tenant: "acme", IdempotencyKey: "k1"},
		{Type: "b", Data: "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `POST /events/batch {"events":[{"event":"a","tenant":"acme","idempotency_key":"k1","data":1},{"event":"b","data":"x"}]} []`; sent != want {
		t.Errorf("sent\n%s\nwant\n%s", sent, want)
	}
	if r := results[0]; r.Err() != nil || r.EventID != "e1" || r.Deliveries != 2 {
		t.Errorf("the first result is %+v with %v", r, r.Err())
	}
	problem, ok := errors.AsType[*client.Problem](results[1].Err())
	if !ok || problem.Status != 422 || problem.Code != "invalid" || problem.Error() != "the service responded with 422 Unprocessable Entity: events[1].data: is missing" {
		t.Errorf("the second result is %+v with %v", results[1], results[1].Err())
	}
}

// Without a result for each event, it is not known which event has which.
func TestPublishBatchNeedsAllResults(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"results":[{}]}`) })
	if _, err := c.PublishBatch(t.Context(), make([]client.Event, 2)); err == nil || !strings.Contains(err.Error(), "2 events has 1 results") {
		t.Errorf("got %v", err)
	}
}

// A match has pages, each of which needs the event again.
func TestMatchGoesThroughAllPages(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"event":"a","data":1}` {
			t.Errorf("sent %s", body)
		}
		if r.URL.Query().Get("cursor") == "" {
			io.WriteString(w, `{"data":[{"subscription_id":"s1","matched":true,"rule":null,"reason":null,"delivery":null}],"next":"2"}`)
			return
		}
		io.WriteString(w, `{"data":[{"subscription_id":"s2","matched":false,"rule":"filter","reason":"amount is 20","delivery":null}],"next":null}`)
	})
	var got []client.Match
	for m, err := range c.Match(t.Context(), client.Event{Type: "a", Data: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	want := []client.Match{{SubscriptionID: "s1", Matched: true}, {SubscriptionID: "s2", Rule: "filter", Reason: "amount is 20"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What was read can be changed and sent back, without changing anything else.
func TestInputsKeepWhatWasSet(t *testing.T) {
	var sent string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			sent = string(body)
		}
		switch r.URL.Path {
		case "/tenants/acme":
			io.WriteString(w, `{"id":"acme","name":"Acme","metadata":{"k":"v"},"limits":{"publish_per_second":1.5,"pending":null,"subscriptions":3},"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}`)
		default:
			io.WriteString(w, `{"name":"a.b","description":"d","schema":{"type":"object"},"example":null,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","archived_at":null}`)
		}
	})
	tenant, err := c.Tenant(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutTenant(t.Context(), tenant.ID, tenant.Input()); err != nil || sent != `{"name":"Acme","metadata":{"k":"v"},"limits":{"publish_per_second":1.5,"subscriptions":3}}` {
		t.Errorf("the tenant was sent as %s, %v", sent, err)
	}
	eventType, err := c.EventType(t.Context(), "a.b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutEventType(t.Context(), eventType.Name, eventType.Input()); err != nil || sent != `{"description":"d","schema":{"type":"object"},"example":null}` {
		t.Errorf("the event type was sent as %s, %v", sent, err)
	}
}

// ListTenants, ListEventTypes and ListKeys go on to the next page.
func TestOtherListsGoThroughAllPages(t *testing.T) {
	c := serve(t, pages(5))
	count := map[string]int{}
	for _, err := range c.ListTenants(t.Context()) {
		count["tenants"]++
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range c.ListEventTypes(t.Context()) {
		count["event types"]++
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range c.ListKeys(t.Context()) {
		count["keys"]++
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]int{"tenants": 5, "event types": 5, "keys": 5}; fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", count, want)
	}
}
