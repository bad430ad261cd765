package ingest

import (
	"context"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// taken is a store and a handoff that accept everything at once.
type taken struct {
	tenant event.Tenant
	subs   []event.Subscription
}

func (s *taken) Tenant(context.Context, string) (event.Tenant, error) { return s.tenant, nil }

func (s *taken) TenantChanges(_ context.Context, _, after int64, _ int) (event.TenantChanges, error) {
	c := event.TenantChanges{Tenant: s.tenant, To: s.tenant.Version}
	if after == 0 {
		c.Subscriptions = s.subs
	}
	return c, nil
}

func (s *taken) EventTypesSince(context.Context, int64) ([]event.EventType, int64, error) {
	return nil, 1, nil
}

func (s *taken) Subscription(context.Context, event.ID) (event.Subscription, error) {
	return s.subs[0], nil
}

func (*taken) Accept(_ context.Context, a event.Acceptance) (event.Receipt, error) {
	return a.Receipt(), nil
}

func (s *taken) Reserve(_ context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	return s.TryReserve(sub, size)
}

func (*taken) TryReserve(event.Subscription, int) (event.Lease, bool) {
	return event.Lease{Owner: "node-a"}, true
}
func (*taken) Deliver(event.Claimed) {}
func (*taken) Cancel(event.ID, int)  {}
func (*taken) Overflow(event.ID)     {}
func (*taken) Accepted()             {}
func (*taken) Filtered()             {}

func newTaken(subscriptions int) *taken {
	s := &taken{tenant: event.Tenant{No: 7, ID: "acme", Version: 1}}
	for i := range subscriptions {
		sub := event.Subscription{ID: event.NewID(time.Now()), Active: true, EventTypes: []string{"other"}}
		if i == 0 {
			sub.EventTypes = []string{"invoice.paid"}
		}
		s.subs = append(s.subs, sub)
	}
	return s
}

const benchData = `{"amount":12,"currency":"EUR","customer":{"id":"cus_4711","name":"Ada"},"lines":[{"id":1,"price":4},{"id":2,"price":8}]}`

// BenchmarkIngest is one event to one subscription, without the store.
func BenchmarkIngest(b *testing.B) {
	s := newTaken(1)
	for name, types := range map[string]*Types{"no registry": nil, "a registry": {Store: s}} {
		b.Run(name, func(b *testing.B) {
			in := &Ingest{Subscriptions: s, Store: s, Handoff: s, Observer: s, Types: types, Now: time.Now}
			body := []byte(`{"event":"invoice.paid","data":` + benchData + `}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := in.Ingest(b.Context(), event.Submission{SubscriptionID: s.subs[0].ID, Body: body, ContentType: "application/json"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublish is the same event, published to a tenant of which one subscription wants it.
func BenchmarkPublish(b *testing.B) {
	for name, subscriptions := range map[string]int{"of 1": 1, "of 10,000": 10_000} {
		b.Run(name, func(b *testing.B) {
			s := newTaken(subscriptions)
			filters, err := NewFilters()
			if err != nil {
				b.Fatal(err)
			}
			p, err := NewPublisher(PublisherOptions{
				Tenants: s, Subscriptions: s, Store: s, Types: &Types{Store: s}, Filters: filters,
				Handoff: s, Observer: s, Retention: time.Hour, Now: time.Now,
			})
			if err != nil {
				b.Fatal(err)
			}
			pub := event.Publication{Tenant: "acme", Type: "invoice.paid", Data: []byte(benchData)}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := p.Publish(b.Context(), pub); err != nil || got.Deliveries != 1 {
					b.Fatal(got, err)
				}
			}
		})
	}
}
