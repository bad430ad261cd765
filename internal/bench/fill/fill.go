// Package fill writes deliveries into a database as the service would have, so that a full
// one can be measured. It is told which database, and opens none.
//
// Start with Write.
package fill

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// Store is a database that is filled; package store says what each method promises.
type Store interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
	Record(ctx context.Context, settlements []event.Settlement) error
}

// Filling is what Write writes into a database.
type Filling struct {
	Settled       int    // deliveries that were delivered, with an attempt each
	Subscriptions int    // over which those are spread
	Due           int    // deliveries that are due, of one further subscription
	Target        string // where the subscriptions lead
	Payload       func(n int) []byte
}

// fillers write at the same time, so that they share commits.
const fillers = 512

// atOnce is how many subscriptions have settled deliveries written in turn, before the next
// ones have. With very many in turn, each attempt changes a page of its own in the index by
// subscription, and filling becomes many times slower.
const atOnce = 1000

// subscription is which one the n-th settled delivery is of.
func (f *Filling) subscription(n int) int {
	if f.Subscriptions <= atOnce {
		return n % f.Subscriptions
	}
	first := n / (max(1, f.Settled/f.Subscriptions) * atOnce) * atOnce
	if first >= f.Subscriptions { // what does not divide evenly
		return n % f.Subscriptions
	}
	return first + n%min(atOnce, f.Subscriptions-first)
}

// Write writes deliveries into a database. It returns the ids of some of the settled ones.
func Write(ctx context.Context, s Store, f Filling) (some []string, err error) {
	subs, err := fillSubscriptions(ctx, s, f)
	if err != nil {
		return nil, err
	}
	few := max(1, f.Settled/1000)
	var mu sync.Mutex
	err = inParallel(f.Settled, func(n int) error {
		id, err := fillSettled(ctx, s, subs[f.subscription(n)])
		if err == nil && n%few == 0 {
			mu.Lock()
			some = append(some, id.String())
			mu.Unlock()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return some, inParallel(f.Due, func(n int) error { return fillDue(ctx, s, subs[len(subs)-1], f.Payload(n)) })
}

// inParallel calls do with each number below n, as many at a time as there are fillers, until
// one fails.
func inParallel(n int, do func(n int) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, fillers)
	stop := make(chan struct{})
	var once sync.Once
	for first := range fillers {
		wg.Go(func() {
			for i := first; i < n; i += fillers {
				select {
				case <-stop:
					return
				default:
				}
				if err := do(i); err != nil {
					errs <- err
					once.Do(func() { close(stop) })
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// fillSubscriptions makes those for the settled deliveries and one more, the last.
func fillSubscriptions(ctx context.Context, s Store, f Filling) ([]event.ID, error) {
	now := time.Now()
	ids := make([]event.ID, f.Subscriptions+1)
	for i := range ids {
		ids[i] = event.NewID(now)
	}
	return ids, inParallel(len(ids), func(n int) error {
		err := s.CreateSubscription(ctx, event.Subscription{ID: ids[n], TargetURL: f.Target, Active: true, CreatedAt: now, UpdatedAt: now})
		if err != nil {
			return fmt.Errorf("make a subscription: %w", err)
		}
		return nil
	})
}

func fillSettled(ctx context.Context, s Store, sub event.ID) (event.ID, error) {
	now := time.Now()
	e := event.Event{ID: event.NewID(now), Type: "fill.settled", ContentType: "application/json", Payload: []byte(`{"event":"fill.settled","data":{}}`), CreatedAt: now}
	d := event.Delivery{
		ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now,
		LeaseOwner: "fill", LeasedUntil: now.Add(time.Minute),
	}
	if _, err := s.Accept(ctx, event.Acceptance{Event: e, Deliveries: []event.Delivery{d}}); err != nil {
		return d.ID, err
	}
	o := event.Outcome{StartedAt: now, Duration: time.Millisecond, StatusCode: 200, Peer: "127.0.0.1:9"}
	return d.ID, s.Record(ctx, []event.Settlement{event.Settle(d, o, nil, now, 0.5)})
}

func fillDue(ctx context.Context, s Store, sub event.ID, payload []byte) error {
	now := time.Now()
	e := event.Event{ID: event.NewID(now), Type: "fill.due", ContentType: "application/json", Payload: payload, CreatedAt: now}
	d := event.Delivery{ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now}
	_, err := s.Accept(ctx, event.Acceptance{Event: e, Deliveries: []event.Delivery{d}})
	return err
}
