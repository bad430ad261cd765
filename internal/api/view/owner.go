package view

import (
	"context"
	"sync"

	"github.com/hookferry/hookferry/internal/event"
)

// maxOwners limits how many subscriptions' tenants are kept in memory.
const maxOwners = 50_000

// owners remembers the tenants of subscriptions by number. They never change, even after the
// subscription is deleted, so nothing that it remembers becomes wrong.
type owners struct {
	mu sync.RWMutex
	of map[event.ID]int64
}

func (o *owners) get(subscription event.ID) (no int64, found bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	no, found = o.of[subscription]
	return no, found
}

func (o *owners) put(subscription event.ID, no int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil || len(o.of) >= maxOwners {
		o.of = map[event.ID]int64{}
	}
	o.of[subscription] = no
}

// contains reports whether the View contains the subscription. Its error is that of the store; it
// wraps event.ErrNotFound if no tenant has the subscription.
func (v View) contains(ctx context.Context, subscription event.ID) (bool, error) {
	if !v.bound {
		return true, nil
	}
	no, found := v.views.owners.get(subscription)
	if !found {
		s, err := v.views.backend.Subscriptions.Subscription(ctx, subscription)
		if err != nil {
			return false, err
		}
		no = s.TenantNo
		v.views.owners.put(subscription, no)
	}
	return no == v.no, nil
}

// check fails with event.ErrNotFound unless the View contains the subscription.
func (v View) check(ctx context.Context, subscription event.ID) error {
	contained, err := v.contains(ctx, subscription)
	if err == nil && !contained {
		err = notFound("subscription", subscription)
	}
	return err
}
