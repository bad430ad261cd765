package seeded

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// fate is how a call continues.
type fate int

const (
	goesOn   fate = iota
	fails         // without any effect
	unheard       // it has its effect, but the caller is told that it failed
	answered      // it has its effect, and the response takes a while
	outdated      // a read: what the node read last time
	cut           // the caller is dead; nothing happens, and the run is over
)

func (f fate) String() string {
	return [...]string{"continues", "fails", "is done but fails", "is done, the response is late", "is outdated", "is aborted"}[f]
}

// call is a call that waits for its turn.
type call struct {
	node    *node
	kind    string // the kind of call
	of      string // its object; with node and kind, it identifies a call
	since   time.Time
	ready   time.Time // it must not continue earlier
	delay   time.Duration
	arrived bool // the world has seen it
	answer  chan fate

	leases    []event.LeaseKey // of a release
	published *event.Event     // that is to be accepted
	delivery  event.Delivery   // of a start
	event     event.ID         // of a request
	claimed   event.Delivery   // of a request
	ctx       context.Context
	sub       event.Subscription
	outcome   event.Outcome // outcome of the request
}

// toDelivery reports whether a request is for the delivery.
func (c *call) toDelivery(d event.Delivery) bool {
	return d.EventID == c.event && d.SubscriptionID == c.sub.ID
}

func (c *call) name() string { return c.node.name + " " + c.kind + " " + c.of }

// wait holds a call until the world lets it continue.
func (w *world) wait(c *call) fate {
	c.since, c.answer = time.Now(), make(chan fate)
	if c.ready.IsZero() {
		c.ready = c.since
	}
	w.mu.Lock()
	if w.over && c.node.dead {
		w.mu.Unlock()
		return cut
	}
	// Sorted by name, because the order of arrival may be random.
	i, _ := slices.BinarySearchFunc(w.waiting, c, func(a, b *call) int { return cmp.Compare(a.name(), b.name()) })
	w.waiting = slices.Insert(w.waiting, i, c)
	w.mu.Unlock()
	return <-c.answer
}

// calls returns the waiting calls of living nodes.
func (w *world) calls() (list []*call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.waiting {
		if !c.node.dead {
			list = append(list, c)
		}
	}
	return list
}

// letGo lets a call continue.
func (w *world) letGo(c *call, f fate) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
	w.mu.Unlock()
	c.answer <- f
}
