package dispatch

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// instant is a store, a set of subscriptions, an endpoint and an observer that take no time, so
// that only the dispatcher is measured.
type instant struct{ recorded chan int }

func (instant) Claim(context.Context, event.ClaimRequest) (c event.Claim, err error) { return c, nil }

func (i instant) Record(_ context.Context, settlements []event.Settlement) error {
	i.recorded <- len(settlements)
	return nil
}

func (instant) Renew(context.Context, []event.LeaseKey, time.Time) (lost []event.LeaseKey, err error) {
	return nil, nil
}

func (instant) Release(context.Context, []event.LeaseKey) error               { return nil }
func (instant) Unpark(context.Context, time.Time, int) (int, error)           { return 0, nil }
func (instant) Rescue(context.Context, time.Time, time.Time) (n int, e error) { return 0, nil }
func (instant) InFlight(int)                                                  {}
func (instant) Attempt(event.Settlement)                                      {}

func (instant) Subscription(_ context.Context, id event.ID) (event.Subscription, error) {
	return event.Subscription{ID: id, Active: true}, nil
}

func (instant) Send(context.Context, event.Subscription, event.Claimed) event.Outcome {
	return event.Outcome{StatusCode: 200}
}

// BenchmarkDelivery measures one delivery from its reservation to its record. As many are under
// way as one lane lets ingest reserve.
func BenchmarkDelivery(b *testing.B) {
	const batch = 128
	i := instant{make(chan int, batch)}
	d := New(Options{
		Node: "node-a", Store: i, Subscriptions: i, Sender: i, Observer: i, Log: slog.New(slog.DiscardHandler), Lease: time.Minute,
		Limits: Limits{InFlight: 64, LaneInFlight: 64, LaneDepth: 4 * batch, Buffered: 10_000, BufferedBytes: 1 << 20},
	})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	sub, payload, now := named('a'), []byte(`{}`), time.Now()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		this := min(batch, b.N-n)
		for range this {
			lease, ok := d.Reserve(ctx, sub, len(payload))
			if !ok {
				b.Fatal("the lane is full")
			}
			d.Deliver(event.Claimed{
				Delivery: event.Delivery{ID: event.NewID(now), SubscriptionID: sub.ID, LeaseOwner: lease.Owner, LeasedUntil: lease.Until},
				Event:    event.Event{Payload: payload},
			})
		}
		for left := this; left > 0; {
			left -= <-i.recorded
		}
		n += this
	}
	b.StopTimer()
	stop()
	<-ended
}
