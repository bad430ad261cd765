package seeded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

func (m *model) Accept(_ context.Context, a event.Acceptance) (receipt event.Receipt, err error) {
	if err := a.Check(); err != nil {
		return event.Receipt{}, err
	}
	err = m.do(func() error {
		if k := m.key(nameOfKey(a)); k != nil {
			if k.hash != a.BodyHash {
				return fmt.Errorf("%w: the event %s was accepted with it", event.ErrKeyReused, k.receipt.Event)
			}
			receipt = k.receipt
			receipt.Replayed = true
			return nil
		}
		if a.Published {
			if err := m.matchAgain(&a); err != nil {
				return err
			}
		}
		for _, d := range a.Deliveries {
			if sub := m.sub(d.SubscriptionID); sub == nil || sub.Deleted() {
				return fmt.Errorf("%w: subscription %s", event.ErrNotFound, d.SubscriptionID)
			}
			if m.row(d.ID) != nil {
				return errors.New("a delivery with that id exists")
			}
		}
		receipt = a.Receipt()
		m.insert(a, receipt)
		return nil
	})
	return receipt, err
}

// matchAgain checks that a published event was matched at the present versions, or has it matched
// again.
func (m *model) matchAgain(a *event.Acceptance) error {
	t := m.tenantNo(a.Event.TenantNo)
	switch {
	case t == nil || t.Deleted():
		return fmt.Errorf("%w: tenant number %d", event.ErrNotFound, a.Event.TenantNo)
	case a.TypesVersion != m.typesVersion:
		return fmt.Errorf("%w: the registry of event types has the version %d, not %d", event.ErrStale, m.typesVersion, a.TypesVersion)
	case a.TenantVersion == t.Version:
		return nil
	case a.Rematch == nil:
		return fmt.Errorf("%w: tenant %q has the version %d, not %d", event.ErrStale, t.ID, t.Version, a.TenantVersion)
	}
	deliveries, err := a.Rematch(m.changes(t.No, a.TenantVersion, len(m.subs)))
	a.Deliveries = deliveries
	return err
}

// key returns the idempotency key of this name, or nil.
func (m *model) key(name keyName) *key {
	for _, k := range m.keys {
		if name.text != "" && k.keyName == name {
			return k
		}
	}
	return nil
}

func nameOfKey(a event.Acceptance) keyName {
	switch {
	case a.IdempotencyKey == "":
		return keyName{}
	case a.Published:
		return keyName{text: a.IdempotencyKey, published: true, tenantNo: a.Event.TenantNo}
	}
	return keyName{text: a.IdempotencyKey, subscription: a.Deliveries[0].SubscriptionID}
}

func (m *model) insert(a event.Acceptance, receipt event.Receipt) {
	e := &stored{a.Event, len(a.Deliveries), a.Published}
	e.CreatedAt, e.Payload = kept(e.CreatedAt), slices.Clone(e.Payload)
	m.events = append(m.events, e)
	for _, d := range a.Deliveries {
		m.rows = append(m.rows, &row{d: keptDelivery(d), e: e})
	}
	if a.IdempotencyKey == "" {
		return
	}
	if a.Published {
		receipt.Deliveries = nil
	}
	m.keys = append(m.keys, &key{nameOfKey(a), a.BodyHash, receipt, e.CreatedAt})
}

func keptDelivery(d event.Delivery) event.Delivery {
	d.DueAt, d.LeasedUntil, d.CreatedAt = kept(d.DueAt), kept(d.LeasedUntil), kept(d.CreatedAt)
	d.SettledAt, d.DeliveredAt = kept(d.SettledAt), kept(d.DeliveredAt)
	return d
}

// Claim takes the first delivery of each subscription, then the second of each, and so on.
func (m *model) Claim(_ context.Context, q event.ClaimRequest) (c event.Claim, err error) {
	err = m.do(func() error {
		due := m.due(q, &c)
		size := 0
		for rank, found := 0, true; found; rank++ {
			found = false
			for _, s := range m.subs {
				if rank >= len(due[s.ID]) {
					continue
				}
				if rank >= q.CapacityFor(s.ID) || len(c.Deliveries) == q.Limit || q.Bytes > 0 && size >= q.Bytes {
					c.More = true
					continue
				}
				found = true
				r := due[s.ID][rank]
				r.d.LeaseOwner, r.d.LeasedUntil = q.Owner, kept(q.Until)
				size += len(r.e.Payload)
				c.Deliveries = append(c.Deliveries, event.Claimed{Delivery: r.d, Event: r.e.Event})
			}
		}
		return nil
	})
	return c, err
}

// due returns what may be claimed of each subscription, the earliest first. It parks what waits for
// long, and records in c when the next delivery will be due.
func (m *model) due(q event.ClaimRequest, c *event.Claim) map[event.ID][]*row {
	due := map[event.ID][]*row{}
	for _, r := range m.rows {
		d := &r.d
		if d.Status != event.Pending || d.LeaseOwner != "" {
			continue
		}
		g := m.sub(d.SubscriptionID).Gate()
		switch {
		case d.DueAt.After(q.Now):
			c.MayBeDue(d.DueAt)
		case !d.DueAt.After(g.DueUntil(q.Now)):
			due[d.SubscriptionID] = append(due[d.SubscriptionID], r)
		case g.Parks(q.Until) && c.Parked == event.MaxParked:
		case g.Parks(q.Until):
			d.LeaseOwner, d.LeasedUntil = event.ParkedOwner, event.ParkedUntil
			c.Parked++
		default:
			c.MayBeDue(g.Health.NotBefore)
		}
	}
	for _, list := range due {
		slices.SortStableFunc(list, func(a, b *row) int { return a.d.DueAt.Compare(b.d.DueAt) })
	}
	return due
}

// Unpark visits the subscriptions in the order of their creation.
func (m *model) Unpark(_ context.Context, now time.Time, limit int) (n int, err error) {
	err = m.do(func() error {
		for _, s := range m.subs {
			n += m.unpark(s, now, limit-n)
		}
		return nil
	})
	return n, err
}

func (m *model) unpark(s *subscription, now time.Time, limit int) int {
	until, most := s.Gate().Unparks(now, limit)
	var parked []*row
	for _, r := range m.rows {
		if r.d.SubscriptionID == s.ID && r.d.Status == event.Pending && r.d.LeaseOwner == event.ParkedOwner && !r.d.DueAt.After(until) {
			parked = append(parked, r)
		}
	}
	slices.SortStableFunc(parked, func(a, b *row) int { return a.d.DueAt.Compare(b.d.DueAt) })
	parked = parked[:min(most, len(parked))]
	for _, r := range parked {
		r.free()
	}
	return len(parked)
}

// poison is a response that the store can never save.
const poison = "words that no store takes"

var errPoison = errors.New("the store refuses this text")

func (m *model) Record(_ context.Context, settlements []event.Settlement) error {
	return m.do(func() error {
		for i := range settlements {
			if string(settlements[i].Attempt.Outcome.Response) == poison {
				return errPoison
			}
		}
		for i := range settlements {
			m.settle(settlements[i])
		}
		return nil
	})
}

func (m *model) settle(s event.Settlement) {
	r := m.row(s.Delivery.ID)
	if r == nil {
		return
	}
	for _, a := range r.attempts {
		if a.ID == s.Attempt.ID {
			return
		}
	}
	r.d = keptDelivery(event.Apply(r.d, s))
	a := s.Attempt
	a.Number = r.d.Attempts
	a.Outcome.StartedAt, a.Outcome.RetryAfter, a.Outcome.Detail = kept(a.Outcome.StartedAt), 0, ""
	r.attempts = append(r.attempts, a)
	if sub := m.sub(a.SubscriptionID); sub != nil && !sub.Deleted() {
		sub.Health = sub.Health.After(s.Health)
	}
	if sub := m.sub(a.SubscriptionID); s.DisableReason != "" && sub != nil && sub.Active {
		sub.Active, sub.DisabledReason = false, s.DisableReason
		sub.Revision++
		m.changed(sub)
		sub.UpdatedAt, sub.inactiveSince = a.Outcome.StartedAt, a.Outcome.StartedAt
	}
}

// leased returns the row if it is pending and has that lease, and otherwise nil.
func (m *model) leased(lease event.LeaseKey) *row {
	if r := m.row(lease.Delivery); r != nil && r.d.Status == event.Pending && r.d.LeaseOwner == lease.Owner {
		return r
	}
	return nil
}

func (m *model) Renew(_ context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	err = m.do(func() error {
		for _, lease := range leases {
			if r := m.leased(lease); r != nil {
				r.d.LeasedUntil = kept(until)
			} else {
				lost = append(lost, lease)
			}
		}
		return nil
	})
	return lost, err
}

func (m *model) Release(_ context.Context, leases []event.LeaseKey) error {
	return m.do(func() error {
		for _, lease := range leases {
			if r := m.leased(lease); r != nil {
				r.free()
			}
		}
		return nil
	})
}

func (m *model) Resend(_ context.Context, id event.ID, at time.Time, force bool) (event.Delivery, error) {
	return m.move(id, func(r *row) error {
		if sub := m.sub(r.d.SubscriptionID); sub == nil || sub.Deleted() || !sub.Active {
			return fmt.Errorf("%w: subscription %s", event.ErrInactive, r.d.SubscriptionID)
		}
		d, err := event.Resend(r.d, kept(at), force)
		r.d = d
		return err
	})
}

func (m *model) Cancel(_ context.Context, id event.ID, at time.Time) (event.Delivery, error) {
	return m.move(id, func(r *row) error {
		r.d = event.Cancel(r.d, kept(at))
		return nil
	})
}

func (m *model) move(id event.ID, do func(*row) error) (d event.Delivery, err error) {
	err = m.do(func() error {
		r := m.row(id)
		if r == nil {
			return fmt.Errorf("%w: delivery %s", event.ErrNotFound, id)
		}
		err := do(r)
		d = r.d
		return err
	})
	return d, err
}

func (m *model) Rescue(_ context.Context, from, now time.Time) (n int, err error) {
	err = m.do(func() error {
		for _, r := range m.rows {
			if r.d.Status == event.Pending && r.d.LeaseOwner != "" && r.d.LeasedUntil.Before(now) && !r.d.LeasedUntil.Before(from) {
				r.free()
				n++
			}
		}
		return nil
	})
	return n, err
}
