package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookferry/hookferry/client"
)

// plannedEvent is an event to publish to an endpoint's subscription.
type plannedEvent struct {
	endpoint  int
	eventType string
	data      json.RawMessage
}

// planEvents makes n events in a mixed order, the same ones every time. Events for endpoints that
// never succeed come first: they take the longest, and the others are delivered in the meantime.
func planEvents(n int, endpoints []endpoint) []plannedEvent {
	rng := rand.New(rand.NewPCG(1, 2))
	m := &maker{rng: rng, now: time.Now().UTC().Truncate(time.Second)}
	var first, mixed []plannedEvent
	for i, count := range shareOut(n, endpoints) {
		for range count {
			eventType, data := m.event(endpoints[i])
			p := plannedEvent{endpoint: i, eventType: eventType, data: data}
			if endpoints[i].finalStatus == client.Failed {
				first = append(first, p)
			} else {
				mixed = append(mixed, p)
			}
		}
	}
	rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return append(first, mixed...)
}

// shareOut divides n events between the endpoints.
func shareOut(n int, endpoints []endpoint) []int {
	counts := make([]int, len(endpoints))
	counts[0] = n
	for i, e := range endpoints[1:] {
		share := max(1, n*e.share/100)
		if e.most > 0 {
			share = min(share, e.most)
		}
		counts[i+1] = share
		counts[0] -= share
	}
	return counts
}

// senders is the number of concurrent requests to the service.
const senders = 16

// publish publishes the events over the API, evenly spread over time, until the first error.
func (d *demo) publish(ctx context.Context, plan []plannedEvent) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now()
	var next atomic.Int64
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for i := int(next.Add(1) - 1); i < len(plan); i = int(next.Add(1) - 1) {
				due := start.Add(d.pace.spread * time.Duration(i) / time.Duration(len(plan)))
				if sleep(ctx, time.Until(due)) != nil {
					return
				}
				if err := d.publishOne(ctx, plan[i]); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

func (d *demo) publishOne(ctx context.Context, p plannedEvent) error {
	r := d.servers[p.endpoint]
	at := time.Now()
	receipt, err := d.client.PublishTo(ctx, r.subscription, client.Event{Type: p.eventType, Data: p.data})
	if err != nil {
		return fmt.Errorf("publish %s for %s: %w", p.eventType, r.name, err)
	}
	if receipt.Filtered() {
		return fmt.Errorf("publish %s for %s: filtered, because %s", p.eventType, r.name, receipt.Reason)
	}
	d.ledger.accept(publication{endpoint: p.endpoint, data: sha256.Sum256(p.data), at: at, receipt: receipt})
	return nil
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
