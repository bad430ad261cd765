package seeded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

const lease = 6 * time.Second

var policy = event.RetryPolicy{1 * time.Second, 3 * time.Second, 7 * time.Second}

// node is one process of the service. It also plays the packages that it calls: the store, the
// subscriptions, the sender and the rate limiter. Each call waits for its turn.
type node struct {
	w    *world
	name string
	d    *dispatch.Dispatcher // nil: it only accepts events and passes them on
	in   *ingest.Ingest
	// publish publishes to a tenant, as ingest does to a subscription.
	publish   func(context.Context, event.Publication) (event.Published, error)
	publisher *publisher
	end       context.CancelFunc
	ended     chan error

	dead, stopping bool
	told, early    bool      // to stop; it is to stop during trouble
	lost           bool      // outcomes may be lost: it died, or stopped while the store was unavailable
	frozen         time.Time // until when it makes no progress
	lame           bool      // one of its calls failed, or came too late
	// What the delivery that was just resumed finds.
	read   fate
	wait   time.Duration // result of the rate limiter
	jitter float64
	seen   map[event.ID]event.Subscription // what it read last time
	asked  map[*endpoint]time.Time         // until when endpoints asked it for no requests
}

// marked is the key of a context that says whose call it is.
type marked struct{}

func mark(ctx context.Context, of string) context.Context {
	return context.WithValue(ctx, marked{}, of)
}

func (w *world) start(role string) *node {
	n := &node{
		w: w, name: fmt.Sprintf("%s%d", role, len(w.nodes)+1), ended: make(chan error, 1),
		seen: map[event.ID]event.Subscription{}, asked: map[*endpoint]time.Time{},
	}
	n.in = &ingest.Ingest{Subscriptions: n, Store: n, Handoff: passer{n}, Observer: n, Now: time.Now}
	if role != "api" {
		n.d = dispatch.New(n.options())
		n.in.Handoff = n.d
	}
	n.publisher = &publisher{n: n, indexes: map[int64]*match.Tenant{}, archived: map[string]bool{}}
	n.publish = n.publisher.publish
	if w.genuine {
		n.publish = n.genuine()
	}
	ctx, end := context.WithCancel(mark(context.Background(), "loop"))
	n.end = end
	w.nodes = append(w.nodes, n)
	if role == "api" {
		n.ended <- nil
		return n
	}
	go func() { n.ended <- n.d.Run(ctx) }()
	return n
}

// genuine returns the publishing of the service.
func (n *node) genuine() func(context.Context, event.Publication) (event.Published, error) {
	filters, err := ingest.NewFilters()
	n.w.must(err)
	p, err := ingest.NewPublisher(ingest.PublisherOptions{
		Tenants: n, Subscriptions: n, Store: n, Types: &ingest.Types{Store: n, RegisteredOnly: true, Log: slog.New(slog.DiscardHandler)},
		Filters: filters, Handoff: n.in.Handoff, Observer: n, Retention: time.Hour, Now: time.Now,
	})
	n.w.must(err)
	return p.Publish
}

func (n *node) options() dispatch.Options {
	return dispatch.Options{
		Node: n.name, Store: n, Subscriptions: n, Sender: n, RateLimiter: n, Observer: n, Log: slog.New(slog.DiscardHandler),
		Policy: policy, Limits: n.w.limits, Lease: lease, Grace: 8 * time.Second,
		Jitter: func() float64 { return n.jitter }, Starting: n.starting,
	}
}

// call is a call of the store.
func (n *node) call(c *call, effect func() error) error {
	c.node = n
	switch n.w.wait(c) {
	case fails, cut:
		return errFault
	case unheard:
		_ = effect() // the result does not matter
		return errFault
	case answered:
		err := effect()
		if n.w.wait(&call{node: n, kind: "answer", of: c.kind + " " + c.of, ready: time.Now().Add(c.delay)}) == cut {
			return errFault
		}
		return err
	}
	return effect()
}

func (n *node) Accept(ctx context.Context, a event.Acceptance) (r event.Receipt, err error) {
	c := &call{kind: "accept", of: ctx.Value(marked{}).(string)}
	n.w.name(a.Event.ID, c.of)
	if a.Published {
		c.published = &a.Event
		n.w.nameDeliveries(c.of, a.Deliveries)
		a.Rematch = n.w.watchRematch(c.of, a.Rematch)
	} else {
		n.w.name(a.Deliveries[0].ID, c.of)
	}
	err = n.call(c, func() (err error) { r, err = n.w.store.Accept(ctx, a); return err })
	if errors.Is(err, event.ErrStale) {
		n.w.count(func(s *stats) { s.stale++ })
	}
	if err != nil {
		return event.Receipt{}, err
	}
	return r, nil
}

func (n *node) Tenant(ctx context.Context, id string) (t event.Tenant, err error) {
	err = n.call(&call{kind: "tenant", of: ctx.Value(marked{}).(string)}, func() (err error) { t, err = n.w.store.Tenant(ctx, id); return err })
	return t, err
}

func (n *node) TenantChanges(ctx context.Context, no, after int64, limit int) (c event.TenantChanges, err error) {
	err = n.call(&call{kind: "changes", of: ctx.Value(marked{}).(string)}, func() (err error) {
		c, err = n.w.store.TenantChanges(ctx, no, after, limit)
		return err
	})
	return c, err
}

func (n *node) EventTypesSince(ctx context.Context, after int64) (changed []event.EventType, now int64, err error) {
	err = n.call(&call{kind: "types", of: ctx.Value(marked{}).(string)}, func() (err error) {
		changed, now, err = n.w.store.EventTypesSince(ctx, after)
		return err
	})
	return changed, now, err
}

// wake tells the node's dispatcher that something may be due.
func (n *node) wake() {
	if n.d != nil {
		n.d.Wake()
	}
}

func (n *node) Claim(ctx context.Context, r event.ClaimRequest) (got event.Claim, err error) {
	err = n.call(&call{kind: "claim"}, func() (err error) { got, err = n.w.store.Claim(ctx, r); return err })
	if err != nil {
		return event.Claim{}, err
	}
	return got, nil
}

func (n *node) Record(ctx context.Context, list []event.Settlement) error {
	return n.call(&call{kind: "record"}, func() error { return n.w.store.Record(ctx, list) })
}

func (n *node) Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error) {
	err = n.call(&call{kind: "renew"}, func() (err error) { lost, err = n.w.store.Renew(ctx, leases, until); return err })
	return lost, err
}

func (n *node) Release(ctx context.Context, leases []event.LeaseKey) error {
	return n.call(&call{kind: "release", leases: leases}, func() error { return n.w.store.Release(ctx, leases) })
}

func (n *node) Rescue(ctx context.Context, from, now time.Time) (ended int, err error) {
	err = n.call(&call{kind: "rescue"}, func() (err error) { ended, err = n.w.store.Rescue(ctx, from, now); return err })
	return ended, err
}

func (n *node) Unpark(ctx context.Context, now time.Time, limit int) (due int, err error) {
	err = n.call(&call{kind: "unpark"}, func() (err error) { due, err = n.w.store.Unpark(ctx, now, limit); return err })
	return due, err
}

// Subscription is the node's cache. A delivery that was just resumed finds what was decided then;
// all others wait for their turn.
func (n *node) Subscription(ctx context.Context, id event.ID) (event.Subscription, error) {
	f := n.read
	if of, ok := ctx.Value(marked{}).(string); ok {
		f = n.w.wait(&call{node: n, kind: "read", of: of})
	} else if n.w.isCut(n) {
		f = cut
	}
	switch before, known := n.seen[id]; {
	case f == fails || f == cut:
		return event.Subscription{}, errFault
	case f == outdated && known:
		return before, nil
	}
	s, err := n.w.store.Subscription(ctx, id)
	if err == nil {
		n.seen[id] = s
	}
	return s, err
}

// starting delays each delivery before anything is done for it.
func (n *node) starting(d event.Delivery) {
	if f := n.w.wait(&call{node: n, kind: "start", of: n.w.nameOf(d.ID), delivery: d}); f != cut {
		n.read = f
	}
}

// Take is the rate that nodes share.
func (n *node) Take(context.Context, event.ID, time.Duration) time.Duration { return n.wait }

// Send is a request to an endpoint, which ends with its response.
func (n *node) Send(ctx context.Context, sub event.Subscription, claimed event.Claimed) event.Outcome {
	c := &call{node: n, kind: "request", of: n.w.nameOf(claimed.Delivery.ID), event: claimed.Event.ID, sub: sub, ctx: ctx}
	if n.w.wait(c) == cut {
		return event.Outcome{StartedAt: time.Now(), Code: event.CodeConnectionClosed, Error: "cut"}
	}
	o := c.outcome
	if ctx.Err() != nil {
		o = event.Outcome{Code: event.CodeConnectionClosed, Error: "broken off"}
	}
	o.StartedAt, o.Duration = c.since, time.Since(c.since)
	return o
}

func (*node) InFlight(int)             {}
func (*node) Attempt(event.Settlement) {}
func (*node) Accepted()                {}
func (*node) Filtered()                {}

// passer is the handoff of a node that does not deliver: a stream that any other node may read, and
// that may lose its entries.
type passer struct{ n *node }

func (p passer) Reserve(context.Context, event.Subscription, int) (event.Lease, bool) {
	return event.Lease{Owner: p.n.name, Until: time.Now().Add(lease)}, true
}

func (p passer) TryReserve(sub event.Subscription, size int) (event.Lease, bool) {
	return p.Reserve(context.Background(), sub, size)
}

func (p passer) Deliver(c event.Claimed) {
	p.n.w.mu.Lock()
	defer p.n.w.mu.Unlock()
	p.n.w.stream = append(p.n.w.stream, c)
}

func (passer) Cancel(event.ID, int) {}
func (passer) Overflow(event.ID)    {}
