package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

const (
	// rematchAfter is how many times the store may find an event matched too early, before the
	// event is matched within the store's transaction.
	rematchAfter = 3
	// maxTries ends a publication that is overtaken by changes of the event types again and again.
	maxTries = 10
	// manyDeliveries is from how many deliveries on an event is stored alone, so that a few events
	// with thousands do not fill memory. No more of its deliveries are handed over directly; the
	// others are claimed when a lane is free.
	manyDeliveries = 512
)

// PublisherOptions configure a Publisher.
type PublisherOptions struct {
	Tenants       TenantStore
	Subscriptions Subscriptions // for lanes; it may be a cache
	Store         Store
	Types         *Types
	Filters       *Filters
	Handoff       Handoff
	Observer      Observer
	Backlog       *Backlog // nil: no limit on pending deliveries
	Retention     time.Duration
	Now           func() time.Time
}

// Publisher publishes events to tenants: it stores an event with a delivery to each subscription
// of the tenant that matches.
//
// It finds them in an index in memory (tenants). A subscription that existed before a publication
// began gets the event on every node, because the store compares the version of the index, and
// that of the event types, in its transaction. If they have changed, Publish reads the changes and
// matches again. The usual publication costs one more look-up by key, no lock, and no read.
type Publisher struct {
	o       PublisherOptions
	tenants *tenants
	many    chan struct{} // holds a value while an event with manyDeliveries is stored
}

// NewPublisher returns a Publisher.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	ts, err := newTenants(o.Tenants, o.Filters, o.Now)
	if err != nil {
		return nil, err
	}
	return &Publisher{o: o, tenants: ts, many: make(chan struct{}, 1)}, nil
}

// Publish stores the event and a delivery to each subscription that matches, in one transaction,
// and hands the deliveries to the dispatcher. When it returns without an error, all are on disk.
//
// The error wraps *InvalidError, ErrMalformed, ErrTenantNotFound, ErrBacklog, ErrRateLimited,
// ErrKeyReused or ErrUnavailable of package event, or is that of ctx.
func (p *Publisher) Publish(ctx context.Context, pub event.Publication) (event.Published, error) {
	return p.publish(ctx, pub, nil)
}

// publish is Publish within a budget of deliveries, unless that is nil.
func (p *Publisher) publish(ctx context.Context, pub event.Publication, b *budget) (event.Published, error) {
	o, err := p.newOffer(pub)
	if err != nil {
		return event.Published{}, err
	}
	o.budget = b
	if err := p.admit(ctx, o); err != nil {
		return event.Published{}, err
	}
	for range maxTries {
		receipt, err := p.try(ctx, o)
		if err == nil {
			return event.Published{Event: receipt.Event, Tenant: o.pub.Tenant, Deliveries: receipt.Made, Refused: receipt.Refused, Duplicate: receipt.Replayed}, nil
		}
		if !errors.Is(err, event.ErrStale) {
			return event.Published{}, err
		}
	}
	return event.Published{}, fmt.Errorf("%w: the event types or the tenant's subscriptions changed %d times while the event was matched", event.ErrUnavailable, maxTries)
}

// offer is a publication on its way to the store.
type offer struct {
	pub    event.Publication
	event  event.Event
	match  match.Event
	dueAt  time.Time
	stale  int // how many times the store found it matched too early
	budget *budget

	tenant        *tenant
	tenantVersion int64
	typesVersion  int64
}

func (p *Publisher) newOffer(pub event.Publication) (*offer, error) {
	if pub.Tenant == "" {
		pub.Tenant = event.DefaultTenant
	}
	now := p.o.Now()
	if err := checkPublication(&pub, now, p.o.Retention); err != nil {
		return nil, err
	}
	o := &offer{pub: pub, event: eventOf(&pub, now), dueAt: now}
	if pub.DeliverAt.After(now) {
		o.dueAt = pub.DeliverAt
	}
	o.match = match.Event{Type: pub.Type, Tenant: pub.Tenant, Channels: pub.Channels, Metadata: pub.Metadata, Data: o.event.Data()}
	return o, nil
}

func (o *offer) delayed() bool { return o.dueAt.After(o.event.CreatedAt) }

// admit checks the limits of the service and of the tenant.
func (p *Publisher) admit(ctx context.Context, o *offer) error {
	if err := p.o.Backlog.checkTotal(); err != nil {
		return err
	}
	var limits event.TenantLimits
	err := p.withTenant(ctx, o, func() (err error) {
		limits, err = p.tenants.limits(ctx, o.tenant)
		return err
	})
	if err != nil {
		return err
	}
	if rate := limits.PublishPerSecond; rate > 0 && !o.tenant.rate.take(o.event.CreatedAt, rate) {
		return fmt.Errorf("%w: this node accepts %v events a second of tenant %q (limits.publish_per_second)", event.ErrRateLimited, rate, o.pub.Tenant)
	}
	return nil
}

// withTenant finds the tenant and calls do. If the tenant turns out to be deleted, it forgets the
// tenant and tries once more with the one that has its id now.
func (p *Publisher) withTenant(ctx context.Context, o *offer, do func() error) error {
	for tries := 0; ; tries++ {
		t, err := p.tenants.find(ctx, o.pub.Tenant)
		if err != nil {
			return err
		}
		o.tenant = t
		err = do()
		if !errors.Is(err, errTenantGone) {
			return err
		}
		p.tenants.forget(t)
		if tries > 0 {
			return fmt.Errorf("%w: tenant %q is being deleted and created again", event.ErrUnavailable, o.pub.Tenant)
		}
	}
}

// try matches the event and stores it. If the store finds that the index or the registry was
// outdated, try brings both up to date and returns the store's ErrStale.
func (p *Publisher) try(ctx context.Context, o *offer) (event.Receipt, error) {
	var matched []*match.Subscription
	err := p.withTenant(ctx, o, func() (err error) {
		if o.typesVersion, err = p.o.Types.checkNewest(ctx, o.pub.Type, o.pub.Data); err != nil {
			return err
		}
		matched, err = p.matching(ctx, o)
		return err
	})
	if err != nil {
		return event.Receipt{}, err
	}
	receipt, err := p.accept(ctx, o, matched)
	switch {
	case errors.Is(err, event.ErrNotFound): // the tenant was deleted
		p.tenants.forget(o.tenant)
		return event.Receipt{}, fmt.Errorf("%w: %w", event.ErrStale, err)
	case errors.Is(err, event.ErrStale):
		o.stale++
		if failed := p.catchUp(ctx, o); failed != nil {
			return event.Receipt{}, failed
		}
	}
	return receipt, err
}

// catchUp brings what the event was matched with up to date.
func (p *Publisher) catchUp(ctx context.Context, o *offer) error {
	if err := p.o.Types.catchUp(ctx, o.typesVersion); err != nil {
		return err
	}
	err := p.tenants.catchUp(ctx, o.tenant, o.tenantVersion)
	if errors.Is(err, errTenantGone) {
		p.tenants.forget(o.tenant)
		return nil
	}
	return err
}

// matching returns the subscriptions that match the event, ordered by id.
func (p *Publisher) matching(ctx context.Context, o *offer) (matched []*match.Subscription, err error) {
	if o.pub.Subscription.IsZero() {
		matched, o.tenantVersion = o.tenant.index.Match(nil, &o.match)
		return matched, nil
	}
	only, version, err := p.only(ctx, o)
	if err != nil {
		return nil, err
	}
	o.tenantVersion = version
	if matches, _ := only.Match(&o.match); matches {
		matched = []*match.Subscription{only}
	}
	return matched, nil
}

// only returns the subscription that a publication is narrowed to, and the version of the index
// that it is from. That another tenant has a subscription with this id makes no difference.
func (p *Publisher) only(ctx context.Context, o *offer) (*match.Subscription, int64, error) {
	t := o.tenant
	version := t.index.Version() // before Get: if both change, the store sees it
	if s := t.index.Get(o.pub.Subscription); s != nil {
		return s, version, nil
	}
	if err := p.tenants.refresh(ctx, t); err != nil {
		return nil, 0, err
	}
	version = t.index.Version()
	if s := t.index.Get(o.pub.Subscription); s != nil {
		return s, version, nil
	}
	return nil, 0, noSubscription(o.pub.Subscription)
}

func noSubscription(id event.ID) error {
	return event.Invalid("subscription_id", fmt.Sprintf("is %s, and the tenant has no subscription with this id", id))
}

// accept reserves capacity, stores the event with its deliveries, and hands them over.
func (p *Publisher) accept(ctx context.Context, o *offer, matched []*match.Subscription) (event.Receipt, error) {
	leave, err := p.enter(ctx, len(matched))
	if err != nil {
		return event.Receipt{}, err
	}
	defer leave()
	if !o.budget.take(len(matched)) {
		return event.Receipt{}, event.ErrNotTaken
	}
	a := p.acceptance(o, matched)
	p.reserve(ctx, o, a.Deliveries)
	again := rematch{publisher: p, offer: o, matched: matched, before: a.Deliveries}
	if o.stale >= rematchAfter {
		a.Rematch = again.rematch
	}

	faultpoint.Reach("publish: accepting")
	receipt, err := p.o.Store.Accept(ctx, a)
	faultpoint.Reach("publish: accepted")

	if err != nil || receipt.Replayed {
		o.budget.giveBack(len(matched))
		p.cancel(o, a.Deliveries)
		return receipt, err
	}
	if a.Rematch != nil {
		again.settle(receipt)
	}
	p.handOver(o, again.before)
	faultpoint.Reach("publish: handed-over")
	p.o.Observer.Accepted()
	return receipt, nil
}

// enter waits while another event with many deliveries is stored, if this one has many too.
func (p *Publisher) enter(ctx context.Context, deliveries int) (leave func(), err error) {
	if deliveries <= manyDeliveries {
		return func() {}, nil
	}
	select {
	case p.many <- struct{}{}:
		return func() { <-p.many }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *Publisher) acceptance(o *offer, matched []*match.Subscription) event.Acceptance {
	o.event.TenantNo = o.tenant.no
	a := event.Acceptance{
		Event: o.event, Deliveries: make([]event.Delivery, len(matched)),
		IdempotencyKey: o.pub.IdempotencyKey, Published: true, TenantVersion: o.tenantVersion, TypesVersion: o.typesVersion,
	}
	if a.IdempotencyKey != "" {
		a.BodyHash = bodyHash(&o.pub)
	}
	for i, s := range matched {
		a.Deliveries[i] = p.delivery(o, s.ID)
	}
	return a
}

// delivery returns the delivery to one subscription. If too many of its deliveries are pending, it
// has failed already: one endpoint that is down must not keep the others from getting events.
func (p *Publisher) delivery(o *offer, subscription event.ID) event.Delivery {
	d := event.Delivery{
		ID: event.DeliveryID(o.event.ID, subscription), EventID: o.event.ID, SubscriptionID: subscription,
		DueAt: o.dueAt, CreatedAt: o.event.CreatedAt,
	}
	if _, full := p.o.Backlog.pendingOf(subscription); full {
		d.Status, d.SettledAt = event.Failed, o.event.CreatedAt
	}
	return d
}
