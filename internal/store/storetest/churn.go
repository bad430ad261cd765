package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var churnCases = []testCase{
	{"the counts are right after everything at once", churn},
}

// churning is the state that the nodes of one churn share: their subscriptions, and the
// deliveries that were accepted.
type churning struct {
	rig
	subs []event.Subscription

	mu       sync.Mutex
	accepted map[event.ID]event.ID // delivery to subscription
	deleted  map[event.ID]bool
}

// node is one of several nodes that use the store at the same time. It leases every delivery
// in hands until it settles or releases the delivery, or dies.
type node struct {
	*churning
	name  string
	dice  *rand.Rand
	hands []event.Delivery
}

// Rescue is called for the time rescueAt. The leases of dead nodes end before it and those
// of live nodes end after it, so a delivery is never in the hands of two nodes.
func (c *churning) rescueAt() time.Time  { return c.now.Add(time.Hour) }
func (c *churning) leaseEnds() time.Time { return c.now.Add(2 * time.Hour) }
func (c *churning) diesAt() time.Time    { return c.now.Add(time.Minute) }

func churn(r rig) {
	const nodes, steps = 8, 120
	c := &churning{rig: r, accepted: make(map[event.ID]event.ID), deleted: make(map[event.ID]bool)}
	for range 6 {
		c.subs = append(c.subs, r.subscribe())
	}
	together(nodes, func(i int) {
		n := &node{churning: c, name: fmt.Sprintf("node-%d", i), dice: rand.New(rand.NewPCG(1, uint64(i)))}
		for range steps {
			if err := n.step(); err != nil {
				r.t.Errorf("%s: %v", n.name, err)
				return
			}
		}
		if err := r.s.Release(r.t.Context(), leasesOf(n.hands)); err != nil {
			r.t.Errorf("%s releases its leases: %v", n.name, err)
		}
	})
	c.drain()
	c.balance()
}

func leasesOf(ds []event.Delivery) []event.LeaseKey {
	leases := make([]event.LeaseKey, len(ds))
	for i, d := range ds {
		leases[i] = d.LeaseKey()
	}
	return leases
}

// step does one random thing.
func (n *node) step() error {
	switch dice := n.dice.IntN(100); {
	case dice < 35:
		return n.accept()
	case dice < 55:
		return n.claim()
	case dice < 80:
		return n.settle(n.dice.IntN(4))
	case dice < 85:
		return n.renew()
	case dice < 90:
		return n.giveBack()
	case dice < 91:
		return n.toggle()
	case dice < 93:
		return n.pauseOrResume()
	case dice < 96:
		return n.die()
	case dice < 98:
		_, err := n.s.Unpark(n.t.Context(), n.now.Add(time.Duration(n.dice.IntN(180))*time.Second), 1+n.dice.IntN(4))
		return wrap("unpark", err)
	case dice < 99:
		_, err := n.s.Rescue(n.t.Context(), time.Time{}, n.rescueAt())
		return wrap("rescue", err)
	default:
		return n.deleteOne()
	}
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (n *node) anySubscription() event.Subscription { return n.subs[n.dice.IntN(len(n.subs))] }

// accept stores an event, as due or as leased by this node, and sometimes with an
// idempotency key that others use too.
func (n *node) accept() error {
	s := n.anySubscription()
	a := n.offer(s.ID)
	if n.dice.IntN(2) == 0 {
		leased(n.name, n.leaseEnds())(&a)
	}
	if n.dice.IntN(4) == 0 {
		key(fmt.Sprintf("key-%d", n.dice.IntN(10)), 1)(&a)
	}
	receipt, err := n.s.Accept(n.t.Context(), a)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		if n.deleted[s.ID] {
			return nil // a driver may refuse the event
		}
		return wrap("accept", err)
	}
	if receipt.Replayed {
		return nil
	}
	n.accepted[a.Deliveries[0].ID] = s.ID
	if a.Deliveries[0].LeaseOwner != "" {
		n.hands = append(n.hands, a.Deliveries[0])
	}
	return nil
}

func (n *node) claim() error {
	now := n.now.Add(time.Duration(n.dice.IntN(180)) * time.Second) // some retries are due, some not
	got, err := n.s.Claim(n.t.Context(), n.request(owner(n.name), asOf(now), until(n.leaseEnds()), limit(6), capacity(2)))
	for _, d := range got.Deliveries {
		n.hands = append(n.hands, d.Delivery)
	}
	return wrap("claim", err)
}

// settle settles some deliveries in hands, with random outcomes.
func (n *node) settle(most int) error {
	some := n.take(most)
	settlements := make([]event.Settlement, len(some))
	for i, d := range some {
		outcome := failure()
		if n.dice.IntN(3) > 0 {
			outcome = success()
		}
		settlements[i] = settle(d, n.tick(), outcome)
		if n.dice.IntN(8) == 0 {
			settlements[i] = refuse(d, n.tick(), time.Duration(1+n.dice.IntN(100))*time.Second)
		}
	}
	return wrap("record", n.s.Record(n.t.Context(), settlements))
}

func (n *node) take(most int) []event.Delivery {
	k := min(most, len(n.hands))
	some := slices.Clone(n.hands[:k])
	n.hands = slices.Delete(n.hands, 0, k)
	return some
}

// renew drops lost leases from hands. Only a deletion can end them.
func (n *node) renew() error {
	lost, err := n.s.Renew(n.t.Context(), leasesOf(n.hands), n.leaseEnds())
	n.hands = slices.DeleteFunc(n.hands, func(d event.Delivery) bool { return slices.Contains(lost, d.LeaseKey()) })
	return wrap("renew", err)
}

func (n *node) giveBack() error {
	return wrap("release", n.s.Release(n.t.Context(), leasesOf(n.take(2))))
}

// die drops all deliveries in hands. Their leases end soon.
func (n *node) die() error {
	_, err := n.s.Renew(n.t.Context(), leasesOf(n.hands), n.diesAt())
	n.hands = nil
	return wrap("renew for the last time", err)
}

func (n *node) toggle() error {
	s := n.anySubscription()
	s.Active, s.UpdatedAt, s.Revision = n.dice.IntN(2) == 0, n.tick(), 0
	_, err := n.s.ReplaceSubscription(n.t.Context(), s)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deleted[s.ID] {
		return nil
	}
	return wrap("replace", err)
}

func (n *node) pauseOrResume() (err error) {
	s := n.anySubscription()
	if n.dice.IntN(2) == 0 {
		_, err = n.s.PauseSubscription(n.t.Context(), s.ID, event.Pause{At: n.tick(), By: n.name})
	} else {
		_, err = n.s.ResumeSubscription(n.t.Context(), s.ID, n.tick())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deleted[s.ID] {
		return nil
	}
	return wrap("pause or resume", err)
}

// deleteOne marks a subscription before it deletes it, so that a node whose call fails
// because of the deletion finds the mark. Half of the subscriptions are never deleted.
func (n *node) deleteOne() error {
	s := n.subs[n.dice.IntN(len(n.subs)/2)]
	n.mu.Lock()
	again := n.deleted[s.ID]
	n.deleted[s.ID] = true
	n.mu.Unlock()
	if again {
		return nil
	}
	return wrap("delete", n.s.DeleteSubscription(n.t.Context(), s.ID, n.tick(), 0))
}

// drain settles all deliveries that can be claimed.
func (c *churning) drain() {
	for _, s := range c.subs {
		if !c.deleted[s.ID] {
			c.activate(s, true, c.tick())
			_, err := c.s.ResumeSubscription(c.t.Context(), s.ID, c.tick())
			c.must("resume", err)
		}
	}
	for now := c.rescueAt(); ; now = now.Add(time.Hour) {
		_, err := c.s.Rescue(c.t.Context(), time.Time{}, now)
		c.must("rescue", err)
		_, err = c.s.Unpark(c.t.Context(), now, 1000)
		c.must("unpark", err)
		claim := c.claim(asOf(now))
		if len(claim.Deliveries) == 0 && claim.NextDue.IsZero() {
			return
		}
		if now.Sub(c.now) > 7*day {
			c.t.Fatal("after a week, deliveries are still pending")
		}
		var settlements []event.Settlement
		for _, d := range claim.Deliveries {
			settlements = append(settlements, settle(d.Delivery, c.now, success()))
		}
		c.record(settlements...)
	}
}

// balance checks the counts, and each delivery against its attempts.
func (c *churning) balance() {
	count, err := c.s.Count(c.t.Context())
	c.must("count", err)
	sum := 0
	for _, status := range event.Statuses {
		sum += count[status]
	}
	if sum != len(c.accepted) || len(c.accepted) == 0 {
		c.t.Errorf("%d deliveries were accepted, but %d are counted: %v", len(c.accepted), sum, count)
	}
	for id, subscription := range c.accepted {
		got := c.delivery(id)
		if err := c.wrong(got, subscription); err != "" {
			c.t.Errorf("delivery %v is %v: %s", id, got.Delivery.Status, err)
		}
		count[got.Delivery.Status]--
	}
	for status, n := range count {
		if n != 0 {
			c.t.Errorf("%d more deliveries are counted as %s than were accepted", n, status)
		}
	}
}

// wrong returns how a delivery contradicts its attempts, or "".
func (c *churning) wrong(got event.DeliveryReport, subscription event.ID) string {
	succeeded := 0
	for i, a := range got.Attempts {
		if a.Outcome.Success() {
			succeeded++
		}
		if a.Number != i+1 {
			return fmt.Sprintf("attempt %d has the number %d", i+1, a.Number)
		}
	}
	switch d := got.Delivery; {
	case d.SubscriptionID != subscription:
		return "it belongs to another subscription"
	case d.Status == event.Pending && !c.deleted[subscription]:
		return "it never settled"
	case d.Status == event.Delivered && succeeded != 1:
		return fmt.Sprintf("%d attempts succeeded", succeeded)
	case d.Status == event.Failed && (succeeded > 0 || len(got.Attempts)-d.RoundFrom != len(retries)+1):
		return fmt.Sprintf("%d of %d attempts succeeded", succeeded, len(got.Attempts))
	case d.Status != event.Cancelled && d.Attempts != len(got.Attempts):
		return fmt.Sprintf("it counts %d attempts, %d are on record", d.Attempts, len(got.Attempts))
	case d.Status == event.Cancelled && !c.deleted[subscription]:
		return "its subscription was not deleted"
	}
	return ""
}
