package app

import (
	"context"
	"errors"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest"
	"github.com/hookferry/hookferry/internal/redis"
	"github.com/hookferry/hookferry/internal/retention"
	"github.com/hookferry/hookferry/internal/store"
)

// useRedis opens Redis, and on an API node the stream to the workers.
func (a *App) useRedis(ctx context.Context, database store.Store) error {
	named, ok := database.(store.Identity)
	if !ok {
		return errors.New("this database supports only one node, and Redis is for several nodes")
	}
	namespace, err := named.Identity(ctx)
	if err != nil {
		return err
	}
	a.redis, err = redis.Open(redis.Options{URL: string(a.cfg.Redis), Namespace: namespace, Log: a.log, Observer: a.metrics.Redis()})
	if err != nil {
		return err
	}
	a.onClose("the connections to Redis", a.redis.Close)
	if a.cfg.Role == config.RoleAPI {
		a.passOn = redis.NewHandoff(a.redis, redis.HandoffOptions{Owner: nodeName(), Lease: lease, Release: a.store.Release, Behind: a.behind})
	}
	return nil
}

// handoff returns where accepted deliveries go: to this node's dispatcher, through Redis to that of
// another node, or nowhere, so that the workers find them in the database.
func (a *App) handoff() ingest.Handoff {
	switch {
	case a.dispatcher != nil:
		return a.dispatcher
	case a.passOn != nil:
		a.brake = ingest.NewBrake(a.passOn)
	default:
		a.brake = ingest.NewBrake(noHandoff{})
	}
	return a.brake
}

// behind receives a hint that the workers are, or are no longer, behind with a subscription.
func (a *App) behind(subscription event.ID, isBehind bool) {
	if a.brake != nil {
		a.brake.Behind(subscription, isBehind)
	}
}

// noHandoff leaves every delivery in the database, for a worker to claim.
type noHandoff struct{}

func (noHandoff) Reserve(context.Context, event.Subscription, int) (event.Lease, bool) {
	return event.Lease{}, false
}

func (noHandoff) TryReserve(event.Subscription, int) (event.Lease, bool) {
	return event.Lease{}, false
}
func (noHandoff) Deliver(event.Claimed) {}
func (noHandoff) Cancel(event.ID, int)  {}
func (noHandoff) Overflow(event.ID)     {}

// announceChange tells the other nodes that a subscription has changed. The database tells them too,
// but not a node that is connected through a pooler.
func (a *App) announceChange(subscription event.ID) {
	if a.redis != nil {
		a.redis.Changed(subscription)
	}
}

// part runs until its context ends.
type part func(ctx context.Context) error

// inboundParts receive deliveries from other nodes. They stop first.
func (a *App) inboundParts() []part {
	if a.redis == nil || a.dispatcher == nil {
		return nil
	}
	return []part{redis.NewReceiver(a.redis, a.dispatcher).Run}
}

// workParts do the work of this node.
func (a *App) workParts() []part {
	parts := []part{a.retention.Run, retention.Tenants{Store: a.store, Log: a.log}.Run, (&resealer{a.sealed, a.log}).run, a.outage.run}
	if a.backlog != nil {
		parts = append(parts, a.backlog.Run)
	}
	if a.types != nil {
		parts = append(parts, a.types.Run)
	}
	if a.keys != nil {
		parts = append(parts, a.keys.run)
	}
	due := func() {}
	if a.dispatcher != nil {
		parts = append(parts, a.dispatcher.Run)
		due = a.dispatcher.Wake
	}
	if a.others != nil {
		hints := store.Hints{Due: due, Changed: a.store.Forget, Behind: a.behind}
		parts = append(parts, func(ctx context.Context) error { return a.others.Listen(ctx, hints) })
	}
	return parts
}

// hintParts send hints to other nodes. They stop last, when nothing more arrives.
func (a *App) hintParts() []part {
	if a.redis == nil {
		return nil
	}
	parts := []part{a.redis.Run}
	full := func(event.ID) {}
	if a.passOn != nil {
		parts = append(parts, a.passOn.Run)
		full = a.passOn.Full
	}
	return append(parts, func(ctx context.Context) error { return a.redis.Listen(ctx, a.store.Forget, full) })
}

// group is a set of parts that run together.
type group struct {
	stop context.CancelFunc
	ends chan error
	n    int
}

// startGroup starts parts.
func startGroup(parts ...part) *group {
	ctx, stop := context.WithCancel(context.Background())
	g := &group{stop: stop, ends: make(chan error, len(parts)), n: len(parts)}
	for _, run := range parts {
		go func() { g.ends <- run(ctx) }()
	}
	return g
}

// end stops the parts and waits until they have ended.
func (g *group) end() (err error) {
	g.stop()
	for range g.n {
		err = errors.Join(err, <-g.ends)
	}
	return err
}
