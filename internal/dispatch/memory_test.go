package dispatch

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// memory is a store in memory with the dispatcher's interface. Its hooks run before a call has any
// effect. If a hook returns an error, the call has none.
type memory struct {
	onClaim, onRecord, onRenew, onRelease, onRead func() error
	onSettlement                                  func(event.Settlement) error // the store refuses this one permanently

	mu      sync.Mutex
	rows    map[event.ID]*row
	order   []event.ID // of pending deliveries, as they were stored
	subs    map[event.ID]event.Subscription
	claims  int
	rescued int
	more    bool // every claim says that there are more due deliveries
	parked  bool // there are always more deliveries to unpark
}

type row struct {
	d        event.Delivery
	e        event.Event
	attempts []event.Attempt
}

func (m *memory) add(c event.Claimed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[c.Delivery.ID] = &row{d: c.Delivery, e: c.Event}
	m.order = append(m.order, c.Delivery.ID)
}

func (m *memory) row(id event.ID) row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.rows[id]
}

func (m *memory) edit(id event.ID, f func(*event.Delivery)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.rows[id].d)
}

// claimCount returns how many claims were made.
func (m *memory) claimCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claims
}

// tookOver returns how many leases ran out and were ended.
func (m *memory) tookOver() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rescued
}

func (m *memory) leased() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.d.Status == event.Pending && r.d.LeaseOwner != "" && r.d.LeaseOwner != event.ParkedOwner {
			n++
		}
	}
	return n
}

// count returns how many deliveries have each status.
func (m *memory) count() map[event.Status]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := map[event.Status]int{}
	for _, r := range m.rows {
		n[r.d.Status]++
	}
	return n
}

func (m *memory) Subscription(_ context.Context, id event.ID) (event.Subscription, error) {
	if err := run(m.onRead); err != nil {
		return event.Subscription{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sub, found := m.subs[id]
	if !found {
		return sub, event.ErrNotFound
	}
	return sub, nil
}

func run(hook func() error) error {
	if hook == nil {
		return nil
	}
	return hook()
}

func (m *memory) Claim(_ context.Context, r event.ClaimRequest) (c event.Claim, err error) {
	m.mu.Lock()
	m.claims++
	m.mu.Unlock()
	if err := run(m.onClaim); err != nil {
		return c, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.More = m.more
	m.order = slices.DeleteFunc(m.order, func(id event.ID) bool { return m.rows[id].d.Status != event.Pending })
	of, size := map[event.ID][]*row{}, 0
	for _, id := range m.order {
		row := m.rows[id]
		sub := m.subs[row.d.SubscriptionID]
		switch d, g := &row.d, sub.Gate(); {
		case d.Status != event.Pending || d.LeaseOwner != "":
		case d.DueAt.After(r.Now):
			c.MayBeDue(d.DueAt)
		case !d.DueAt.After(g.DueUntil(r.Now)):
			of[d.SubscriptionID] = append(of[d.SubscriptionID], row)
		case g.Parks(r.Until):
			d.LeaseOwner, d.LeasedUntil = event.ParkedOwner, event.ParkedUntil
			c.Parked++
		default:
			c.MayBeDue(g.Health.NotBefore)
		}
	}
	subs := slices.SortedFunc(maps.Keys(of), func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	for rank, found := 0, true; found; rank++ {
		found = false
		for _, sub := range subs {
			if rank >= len(of[sub]) {
				continue
			}
			if rank >= r.CapacityFor(sub) || len(c.Deliveries) == r.Limit || size >= r.Bytes {
				c.More = true
				continue
			}
			found = true
			row := of[sub][rank]
			row.d.LeaseOwner, row.d.LeasedUntil = r.Owner, r.Until
			size += len(row.e.Payload)
			c.Deliveries = append(c.Deliveries, event.Claimed{Delivery: row.d, Event: row.e})
		}
	}
	return c, nil
}

func (m *memory) Record(_ context.Context, settlements []event.Settlement) error {
	if err := run(m.onRecord); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range settlements {
		if m.onSettlement == nil {
			break
		}
		if err := m.onSettlement(s); err != nil {
			return err
		}
	}
	for _, s := range settlements {
		row := m.rows[s.Delivery.ID]
		if row.d.Status == event.Pending && row.d.Attempts == s.Attempt.Number-1 {
			row.d = s.Delivery
		}
		row.attempts = append(row.attempts, s.Attempt)
		sub := m.subs[s.Delivery.SubscriptionID]
		sub.Health = sub.Health.After(s.Health)
		m.subs[s.Delivery.SubscriptionID] = sub
	}
	return nil
}

// Unpark makes all parked deliveries due that need not wait.
func (m *memory) Unpark(_ context.Context, now time.Time, _ int) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.parked {
		return unparkLimit, nil
	}
	for _, row := range m.rows {
		sub := m.subs[row.d.SubscriptionID]
		if until, _ := sub.Gate().Unparks(now, 1); row.d.LeaseOwner == event.ParkedOwner && !row.d.DueAt.After(until) {
			row.d.LeaseOwner, row.d.LeasedUntil = "", time.Time{}
			n++
		}
	}
	return n, nil
}

func (m *memory) Renew(_ context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	if err := run(m.onRenew); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, lease := range leases {
		if d := &m.rows[lease.Delivery].d; d.Status == event.Pending && d.LeaseOwner == lease.Owner {
			d.LeasedUntil = until
		} else {
			lost = append(lost, lease)
		}
	}
	return lost, nil
}

func (m *memory) Release(_ context.Context, leases []event.LeaseKey) error {
	if err := run(m.onRelease); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, lease := range leases {
		if d := &m.rows[lease.Delivery].d; d.LeaseOwner == lease.Owner {
			d.LeaseOwner, d.LeasedUntil = "", time.Time{}
		}
	}
	return nil
}

// Rescue ends leases that ran out, of this node and of any other.
func (m *memory) Rescue(_ context.Context, from, now time.Time) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range m.rows {
		if d := &row.d; d.Status == event.Pending && d.LeaseOwner != "" && d.LeasedUntil.Before(now) && !d.LeasedUntil.Before(from) {
			d.LeaseOwner, d.LeasedUntil = "", time.Time{}
			n++
		}
	}
	m.rescued += n
	return n, nil
}
