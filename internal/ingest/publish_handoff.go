package ingest

import (
	"context"

	"github.com/hookferry/hookferry/internal/event"
)

// reserve reserves capacity in the lanes of deliveries that are due now, and gives them its lease.
// The only delivery of an event may wait for capacity, which slows its publisher down as in ingest.
// Several take what is free, because an event must not wait for the slowest of its endpoints.
func (p *Publisher) reserve(ctx context.Context, o *offer, deliveries []event.Delivery) {
	if o.delayed() {
		return
	}
	for i := range deliveries[:min(len(deliveries), manyDeliveries)] {
		d := &deliveries[i]
		if d.Status != event.Pending {
			continue
		}
		sub, err := p.o.Subscriptions.Subscription(ctx, d.SubscriptionID)
		if err != nil {
			return // the others are stored as due; if the store is unavailable, Accept says so
		}
		if lease, ok := p.reserveOne(ctx, &sub, len(o.event.Payload), len(deliveries) == 1); ok {
			d.LeaseOwner, d.LeasedUntil = lease.Owner, lease.Until
		}
	}
}

func (p *Publisher) reserveOne(ctx context.Context, sub *event.Subscription, size int, only bool) (event.Lease, bool) {
	if only {
		return p.o.Handoff.Reserve(ctx, *sub, size)
	}
	return p.o.Handoff.TryReserve(*sub, size)
}

// isReserved reports whether capacity is reserved for a delivery.
func isReserved(d *event.Delivery) bool { return d.LeaseOwner != "" }

// handOver hands over the deliveries that were stored with a lease, and says which were stored as
// due.
func (p *Publisher) handOver(o *offer, deliveries []event.Delivery) {
	for i := range deliveries {
		switch d := &deliveries[i]; {
		case isReserved(d):
			p.o.Handoff.Deliver(event.Claimed{Delivery: *d, Event: o.event})
		case d.Status == event.Pending && !o.delayed():
			p.o.Handoff.Overflow(d.SubscriptionID)
		}
	}
}

// cancel ends the reservations of deliveries that were not stored.
func (p *Publisher) cancel(o *offer, deliveries []event.Delivery) {
	for i := range deliveries {
		if d := &deliveries[i]; isReserved(d) {
			p.o.Handoff.Cancel(d.SubscriptionID, len(o.event.Payload))
		}
	}
}
