package storetest

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/test/childproc"
)

// Cycle measures the cost of one delivery in a store: it accepts an event whose delivery is
// already claimed, and then records the outcome. 64 callers share the commits, as 64
// connections would.
func Cycle(b *testing.B, s store.Store) {
	ctx := b.Context()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "http://127.0.0.1:9/", Active: true, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSubscription(ctx, sub); err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 1024)
	b.SetParallelism(32)
	b.ReportAllocs()
	before := childproc.CPU(os.Getpid())
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			now := time.Now()
			e := event.Event{ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: payload, CreatedAt: now}
			d := event.Delivery{
				ID: event.DeliveryID(e.ID, sub.ID), EventID: e.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now,
				LeaseOwner: "bench", LeasedUntil: now.Add(time.Minute),
			}
			if _, err := s.Accept(ctx, event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
				b.Error(err)
				return
			}
			o := event.Outcome{StartedAt: now, Duration: time.Millisecond, StatusCode: 200, Peer: "127.0.0.1:9", Response: []byte("ok")}
			if err := s.Record(ctx, []event.Settlement{event.Settle(d, o, nil, now, 0.5)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((childproc.CPU(os.Getpid())-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
}
