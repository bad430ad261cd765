package seeded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// caller publishes one event, and tries again if it can't know what became of it. It publishes to
// one endpoint, or to a tenant.
type caller struct {
	name, key string
	e         *endpoint
	news      *news
	tries     []*try
	again     time.Time
	done      bool
}

// try is one request of a caller.
type try struct {
	n         *node
	got       event.Submitted
	published event.Published
	err       error
	ended     bool
}

func (w *world) newCaller(e *endpoint) *caller {
	c := &caller{name: fmt.Sprintf("c%d", len(w.callers)), e: e}
	if w.chance(0.6) {
		c.key = "key-" + c.name
	}
	w.callers = append(w.callers, c)
	return c
}

// post makes a caller publish to one of the nodes.
func (w *world) post(c *caller) {
	nodes := w.living("")
	if w.genuine && c.news != nil {
		nodes = slices.DeleteFunc(nodes, w.publishes)
	}
	if len(nodes) == 0 {
		return
	}
	tr := &try{n: nodes[w.dice.IntN(len(nodes))]}
	c.tries, c.again = append(c.tries, tr), time.Time{}
	name := fmt.Sprintf("%s/%d", c.name, len(c.tries))
	w.log("%s posts to %s at %s", name, c.to(), tr.n.name)
	go func() {
		got, published, err := c.send(mark(context.Background(), name), tr.n)
		w.mu.Lock()
		defer w.mu.Unlock()
		tr.got, tr.published, tr.err, tr.ended = got, published, err, true
	}()
	w.settle(nil)
}

// publishes reports whether a node is publishing to a tenant. Package ingest lets several who wait
// for one read go on at the same moment, in an order that can't be repeated, so it gets one event at
// a time on each node. The publisher of publisher_test.go gets any number.
func (w *world) publishes(n *node) bool {
	return slices.ContainsFunc(w.callers, func(c *caller) bool { return c.news != nil && w.busyAt(c, n) })
}

func (c *caller) to() string {
	if c.news != nil {
		return fmt.Sprintf("%s %s %s %q", c.news.Tenant, c.news.Type, c.news.Data, c.news.Channels)
	}
	return c.e.name
}

func (c *caller) send(ctx context.Context, n *node) (got event.Submitted, published event.Published, err error) {
	if c.news != nil {
		published, err = n.publish(ctx, c.news.Publication)
	} else {
		got, err = n.in.Ingest(ctx, event.Submission{
			SubscriptionID: c.e.id, IdempotencyKey: c.key, ContentType: "application/json", Body: []byte(`{"event":"user.created","data":{"id":1}}`),
		})
	}
	return got, published, err
}

// hear finds callers that got a response, or will never get one.
func (w *world) hear() {
	for _, c := range w.callers {
		if c.done || len(c.tries) == 0 || !c.again.IsZero() {
			continue
		}
		tr := c.tries[len(c.tries)-1]
		w.mu.Lock()
		ended, err := tr.ended, tr.err
		w.mu.Unlock()
		switch {
		case !ended && !tr.n.dead:
		case ended && (err == nil || !errors.Is(err, event.ErrUnavailable)):
			w.log("%s is answered: %v", c.name, err == nil)
			c.done = true
			if c.news != nil {
				w.answered(c, tr.published, err)
				continue
			}
			w.demand(err == nil || errors.Is(err, event.ErrNotFound) || errors.Is(err, event.ErrInactive), "%s was refused: %v", c.name, err)
		case c.key == "":
			c.done = true // another try could create a second event
		default:
			c.again = time.Now().Add(w.between(50*time.Millisecond, 3*time.Second))
		}
	}
}

// living returns the nodes that accept work, of a role or of any.
func (w *world) living(role string) (list []*node) {
	for _, n := range w.nodes {
		if !n.dead && !n.stopping && (role == "" || n.d != nil) {
			list = append(list, n)
		}
	}
	return list
}

func (w *world) startNode(mayBeAPI bool) {
	role := "node"
	if mayBeAPI && w.chance(0.3) {
		role = "api"
	}
	n := w.start(role)
	w.log("%s starts", n.name)
	w.settle(nil)
}

// act does something that no node does.
func (w *world) act() {
	e := w.endpoints[w.dice.IntN(len(w.endpoints))]
	others := w.endpoints[1:]
	other := others[w.dice.IntN(len(others))]
	again := slices.IndexFunc(w.callers, func(c *caller) bool { return !c.again.IsZero() && !c.again.After(time.Now()) })
	switch dice := w.dice.IntN(100); {
	case again >= 0 && dice < 50:
		w.post(w.callers[again])
	case dice < 44 && (dice >= 34 || w.busy && w.chance(0.7)):
		w.post(w.newPublisher())
	case dice < 44:
		w.post(w.newCaller(e))
	case dice < 47:
		w.operate()
	case dice < 51:
		w.manage(one(w, tenants))
	case dice < 53:
		w.register(one(w, types))
	case dice < 57 || w.siege && dice < 80:
		for range 5 + w.dice.IntN(10) {
			w.post(w.newCaller(other))
		}
	case dice < 72:
		if mood := one(w, moods); !w.calm || !other.joined {
			other.mood = mood
			w.log("%s: %s", other.name, other.mood)
		}
	case dice < 76:
		w.toggle(other)
	case dice < 80:
		w.pauseOrResume(other)
	case dice < 82:
		w.remove(other)
	case dice < 84:
		w.hint()
	case dice < 88:
		w.offer()
	case dice < 90:
		w.stopOne()
	case dice < 92 && len(w.living("")) < 3:
		w.startNode(true)
	case !w.calm:
		w.disaster()
	}
}

// disaster harms a node, or all of them.
func (w *world) disaster() {
	nodes := w.living("")
	if len(nodes) == 0 {
		return
	}
	n := nodes[w.dice.IntN(len(nodes))]
	w.stats.faults++
	switch w.dice.IntN(4) {
	case 0:
		w.kill(n)
	case 1:
		n.frozen, n.lame = time.Now().Add(w.between(100*time.Millisecond, 15*time.Second)), true
		w.log("%s freezes", n.name)
	case 2:
		w.away = time.Now().Add(w.between(100*time.Millisecond, 15*time.Second))
		w.log("the store is away")
	case 3:
		if len(w.stream) > 0 {
			w.log("the stream is lost")
			w.stream = nil
		}
	}
}

func (w *world) kill(n *node) {
	w.log("%s dies", n.name)
	w.stats.kills++
	w.mu.Lock()
	n.dead, n.lost = true, true
	w.mu.Unlock()
	if len(w.living("worker")) == 0 {
		w.startNode(false)
	}
}

// stopOne stops a node normally, if another can continue.
func (w *world) stopOne() {
	nodes := w.living("worker")
	if len(nodes) < 2 {
		w.startNode(false)
		return
	}
	n := nodes[w.dice.IntN(len(nodes))]
	w.log("%s is to stop", n.name)
	n.stopping, n.early = true, true
	w.settle(nil)
}

// reap checks stopped nodes, and ends nodes that are to stop and have no callers any more.
func (w *world) reap() {
	for _, n := range w.nodes {
		switch {
		case !n.stopping || n.dead:
		case len(n.ended) > 0:
			n.dead, n.lost = true, n.lame && n.early
			w.log("%s has stopped: %v", n.name, <-n.ended)
			n.ended <- nil
			w.leftNothing(n)
		case !n.told && !w.isOffered(n) && !slices.ContainsFunc(w.callers, func(c *caller) bool { return w.busyAt(c, n) }):
			n.told = true
			n.end()
			w.settle(nil)
		}
	}
}

// isOffered reports whether a node is about to take something from the stream.
func (w *world) isOffered(n *node) bool {
	return slices.ContainsFunc(w.calls(), func(c *call) bool {
		return c.node == n && c.kind == "read" && strings.HasPrefix(c.of, "offer")
	})
}

func (w *world) busyAt(c *caller, n *node) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(c.tries, func(tr *try) bool { return tr.n == n && !tr.ended })
}

func (w *world) toggle(e *endpoint) {
	s := w.store.sub(e.id).Subscription
	s.Active, s.UpdatedAt, s.Revision = !s.Active, time.Now(), 0
	_, err := w.store.ReplaceSubscription(w.t.Context(), s)
	w.log("%s is active: %v (%v)", e.name, s.Active, err == nil)
	w.settle(w.change())
}

// change is the step of an operator who changes a subscription.
func (w *world) change() *call { return &call{node: &node{name: "api"}, kind: "change"} }

func (w *world) pauseOrResume(e *endpoint) {
	var err error
	if sub := w.store.sub(e.id); sub.Paused() {
		_, err = w.store.ResumeSubscription(w.t.Context(), e.id, time.Now())
		w.log("%s is resumed (%v)", e.name, err == nil)
	} else {
		_, err = w.store.PauseSubscription(w.t.Context(), e.id, event.Pause{At: time.Now()})
		w.log("%s is paused (%v)", e.name, err == nil)
	}
	w.settle(w.change())
}

func (w *world) remove(e *endpoint) {
	err := w.store.DeleteSubscription(w.t.Context(), e.id, time.Now(), 0)
	w.log("%s is deleted (%v)", e.name, err == nil)
	w.settle(&call{node: &node{name: "api"}, kind: "delete"})
}

// operate cancels a delivery, resends it, or both, as an operator may at any moment.
func (w *world) operate() {
	i := w.dice.IntN(len(w.watched) + 1)
	if i == len(w.watched) || w.endpoint(w.watched[i].d.SubscriptionID).quiet {
		return
	}
	seen := w.watched[i]
	if w.chance(0.6) {
		_, err := w.store.Cancel(w.t.Context(), seen.d.ID, time.Now())
		w.must(err)
		w.log("%s is cancelled", seen.name)
		w.settle(&call{node: &node{name: "api"}, kind: "cancel"})
	}
	if w.chance(0.6) {
		_, err := w.store.Resend(w.t.Context(), seen.d.ID, time.Now(), w.chance(0.3))
		w.log("%s is resent: %v", seen.name, err == nil)
		w.settle(&call{node: &node{name: "api"}, kind: "resend"})
	}
}

// hint wakes a node, as a notification does.
func (w *world) hint() {
	if nodes := w.living("worker"); len(nodes) > 0 {
		n := nodes[w.dice.IntN(len(nodes))]
		w.log("%s is woken", n.name)
		n.d.Wake()
		w.settle(nil)
	}
}

// offer makes a node read one entry from the stream.
func (w *world) offer() {
	nodes := w.living("worker")
	if len(w.stream) == 0 || len(nodes) == 0 {
		return
	}
	i, n := w.dice.IntN(len(w.stream)), nodes[w.dice.IntN(len(nodes))]
	c := w.stream[i]
	w.stream = slices.Delete(w.stream, i, i+1)
	name := w.nameOf(c.Delivery.ID)
	w.log("%s is offered to %s", name, n.name)
	go n.d.Offer(mark(context.Background(), "offer "+name), c)
	w.settle(nil)
}
