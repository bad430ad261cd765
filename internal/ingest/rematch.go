package ingest

import (
	"slices"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// rematch matches an event again within the store's transaction. It leaves the tenant's index as it
// is, because the transaction that shows it the changes may not be committed.
type rematch struct {
	publisher *Publisher
	offer     *offer
	matched   []*match.Subscription // before the changes
	before    []event.Delivery      // to these; some have a lease

	after []event.Delivery // the result of the last call; to be read only once Accept has succeeded
}

// rematch returns the deliveries of the event after the changes. The store may call it again.
func (r *rematch) rematch(c event.TenantChanges) ([]event.Delivery, error) {
	if c.Tenant.Deleted() {
		return nil, event.ErrTenantNotFound
	}
	changed := make(map[event.ID]bool, len(c.Subscriptions))
	var after []event.Delivery
	for i := range c.Subscriptions {
		s := &c.Subscriptions[i]
		changed[s.ID] = true
		matches, err := r.matches(s)
		if err != nil {
			return nil, err
		}
		if matches {
			after = append(after, r.delivery(s.ID))
		}
	}
	for i, s := range r.matched {
		if !changed[s.ID] {
			after = append(after, r.before[i])
		}
	}
	r.after = after
	return after, nil
}

// matches reports whether a subscription that has changed matches.
func (r *rematch) matches(s *event.Subscription) (bool, error) {
	only := r.offer.pub.Subscription
	switch {
	case !only.IsZero() && s.ID != only:
		return false, nil
	case s.Deleted() && s.ID == only:
		return false, noSubscription(only)
	case s.Deleted():
		return false, nil
	}
	matches, _ := r.publisher.tenants.matchable(s).Match(&r.offer.match)
	return matches, nil
}

// delivery returns the delivery to a subscription that has changed, as it was before if there was
// one.
func (r *rematch) delivery(subscription event.ID) event.Delivery {
	for i, s := range r.matched {
		if s.ID == subscription {
			return r.before[i]
		}
	}
	return r.publisher.delivery(r.offer, subscription)
}

// settle makes the deliveries that were stored those of before, and cancels the reservations of the
// others. The store may not have needed the last result: the receipt says what it stored.
func (r *rematch) settle(receipt event.Receipt) {
	if !slices.EqualFunc(r.after, receipt.Deliveries, func(d event.Delivery, id event.ID) bool { return d.ID == id }) {
		return
	}
	lost := slices.DeleteFunc(slices.Clone(r.before), func(d event.Delivery) bool {
		return !isReserved(&d) || slices.Contains(receipt.Deliveries, d.ID)
	})
	r.publisher.cancel(r.offer, lost)
	r.before = r.after
}
