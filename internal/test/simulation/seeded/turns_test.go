package seeded

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// fate is how a call goes on.
type fate int

const (
	goesOn   fate = iota
	fails         // without any effect
	unheard       // it has its effect, and the caller is told that it failed
	answered      // it has its effect, and the answer takes a while
	outdated      // a read: what the node read the last time
	cut           // the caller is dead; nothing happens, and the run is over
)

func (f fate) String() string {
	return [...]string{"goes on", "fails", "is done but fails", "is done, the answer is late", "is outdated", "is cut"}[f]
}

// call is one that waits for its turn.
type call struct {
	node    *node
	kind    string // what it is
	of      string // what it is about: with node and kind, what tells calls apart
	since   time.Time
	ready   time.Time // it may not go on before
	delay   time.Duration
	arrived bool // the world has seen it
	answer  chan fate

	leases   []event.LeaseKey // of a release
	delivery event.Delivery   // of a start
	event    event.ID         // of a request
	claimed  event.Delivery   // of a request
	ctx      context.Context
	sub      event.Subscription
	outcome  event.Outcome // what the request will get
}

// toDelivery reports whether a request is for the delivery.
func (c *call) toDelivery(d event.Delivery) bool {
	return d.EventID == c.event && d.SubscriptionID == c.sub.ID
}

func (c *call) name() string { return c.node.name + " " + c.kind + " " + c.of }

// wait keeps a call until the world lets it go on.
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
	// Kept in order of their names: the order in which they came may be chance.
	i, _ := slices.BinarySearchFunc(w.waiting, c, func(a, b *call) int { return cmp.Compare(a.name(), b.name()) })
	w.waiting = slices.Insert(w.waiting, i, c)
	w.mu.Unlock()
	return <-c.answer
}

// calls are those that wait, of nodes that live.
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

// letGo lets a call go on.
func (w *world) letGo(c *call, f fate) {
	w.mu.Lock()
	w.waiting = slices.DeleteFunc(w.waiting, func(other *call) bool { return other == c })
	w.mu.Unlock()
	c.answer <- f
}
