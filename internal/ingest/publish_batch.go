package ingest

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// The limits of PublishAll.
const (
	// batchTogether is how many events of a batch are published at once. They share commits.
	batchTogether = 64
	// batchTime is for how long events of a batch are begun.
	batchTime = 10 * time.Second
	// batchDeliveries is how many deliveries the events of a batch may have together.
	batchDeliveries = 20_000
)

// PublishAll publishes events, and returns one result each, in their order. Each is published
// like any other: all of it is stored, or nothing. Those that have the same idempotency key in one
// tenant are published one after the other. Once batchTime has passed or batchDeliveries were
// made, the others fail with ErrNotTaken.
func (p *Publisher) PublishAll(ctx context.Context, list []event.Publication) []event.PublishResult {
	results := make([]event.PublishResult, len(list))
	b := &budget{until: p.o.Now().Add(batchTime), left: batchDeliveries}
	chains := make(chan []int)
	var together sync.WaitGroup
	for range min(batchTogether, len(list)) {
		together.Go(func() {
			for chain := range chains {
				for _, i := range chain {
					results[i] = p.publishWithin(ctx, list[i], b)
				}
			}
		})
	}
	for _, chain := range chainsOf(list) {
		chains <- chain
	}
	close(chains)
	together.Wait()
	return results
}

func (p *Publisher) publishWithin(ctx context.Context, pub event.Publication, b *budget) event.PublishResult {
	if !b.isOpen(p.o.Now()) {
		return event.PublishResult{Err: event.ErrNotTaken}
	}
	published, err := p.publish(ctx, pub, b)
	return event.PublishResult{Published: published, Err: err}
}

// chainsOf returns the positions of the events that must be published one after the other, in the
// order of the first one of each chain.
func chainsOf(list []event.Publication) (chains [][]int) {
	type key struct{ tenant, key string }
	of := map[key]int{}
	for i := range list {
		k := key{cmp.Or(list[i].Tenant, event.DefaultTenant), list[i].IdempotencyKey}
		at, known := of[k]
		if k.key == "" || !known {
			at = len(chains)
			chains = append(chains, nil)
			of[k] = at
		}
		chains[at] = append(chains[at], i)
	}
	return chains
}

// budget is what a batch may still do.
type budget struct {
	until time.Time // no event is begun later

	mu   sync.Mutex
	left int // deliveries
}

// isOpen reports whether another event may begin.
func (b *budget) isOpen(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until) && b.left > 0
}

// take takes the deliveries of one event, and reports whether it may have them: one event may exceed
// the budget, so that each event finds a batch that takes it. A nil budget has no limit.
func (b *budget) take(deliveries int) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left <= 0 {
		return false
	}
	b.left -= deliveries
	return true
}

// giveBack gives back what was taken for deliveries that were not made.
func (b *budget) giveBack(deliveries int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += deliveries
}
