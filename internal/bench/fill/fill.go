// Package fill writes deliveries into a database as the service would, so that a full database can
// be measured. It gets the database, and opens none.
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

// Store is the database to fill. Package store documents each method.
type Store interface {
	CreateSubscription(ctx context.Context, s event.Subscription) error
	Accept(ctx context.Context, a event.Acceptance) (event.Receipt, error)
	Record(ctx context.Context, settlements []event.Settlement) error
}

// Filling describes what Write writes.
type Filling struct {
	Settled       int    // number of delivered deliveries, each with one attempt
	Subscriptions int    // number of subscriptions that share them
	Due           int    // number of due deliveries, all of one more subscription
	Target        string // target URL of the subscriptions
	Payload       func(n int) []byte
}

// fillers is the number of concurrent writers, which share commits.
const fillers = 512

// batchSize is how many subscriptions get settled deliveries in turn, before the next batch does. With
// very many in turn, each attempt changes a different page of the index by subscription, and
// filling becomes many times slower.
const batchSize = 1000

// subscription returns the index of the subscription of the n-th settled delivery.
func (f *Filling) subscription(n int) int {
	if f.Subscriptions <= batchSize {
		return n % f.Subscriptions
	}
	first := n / (max(1, f.Settled/f.Subscriptions) * batchSize) * batchSize
	if first >= f.Subscriptions { // the remainder of the division
		return n % f.Subscriptions
	}
	return first + n%min(batchSize, f.Subscriptions-first)
}

// Write fills a database. It returns the ids of some of the settled deliveries.
func Write(ctx context.Context, s Store, f Filling) (sampleIDs []string, err error) {
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
			sampleIDs = append(sampleIDs, id.String())
			mu.Unlock()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return sampleIDs, inParallel(f.Due, func(n int) error { return fillDue(ctx, s, subs[len(subs)-1], f.Payload(n)) })
}

// inParallel calls do with each number below n, in fillers goroutines, until one call fails.
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

// fillSubscriptions creates the subscriptions for the settled deliveries, and one for the due ones,
// which is the last.
func fillSubscriptions(ctx context.Context, s Store, f Filling) ([]event.ID, error) {
	now := time.Now()
	ids := make([]event.ID, f.Subscriptions+1)
	for i := range ids {
		ids[i] = event.NewID(now)
	}
	return ids, inParallel(len(ids), func(n int) error {
		err := s.CreateSubscription(ctx, event.Subscription{ID: ids[n], TargetURL: f.Target, Active: true, CreatedAt: now, UpdatedAt: now})
		if err != nil {
			return fmt.Errorf("create a subscription: %w", err)
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
