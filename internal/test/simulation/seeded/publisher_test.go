package seeded

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

// publisher publishes to the tenants for one node. It matches an event with the index that the node
// has, however old, and the store takes the event only if the index was up to date. It is lost with
// its node.
type publisher struct {
	n        *node
	indexes  map[int64]*match.Tenant // by the number of the tenant
	types    int64                   // the version of the registry of event types that it knows
	archived map[string]bool         // at that version; it refuses events of these types
}

const (
	// misses is how often an event may be matched in vain before the store has it matched within
	// its transaction.
	misses = 3
	// changesPage is how many changes the publisher reads at once.
	changesPage = 3
)

func (p *publisher) publish(ctx context.Context, pub event.Publication) (event.Published, error) {
	t, err := p.n.Tenant(ctx, pub.Tenant)
	if err != nil {
		return event.Published{}, err
	}
	index, err := p.loaded(ctx, t.No)
	if err != nil {
		return event.Published{}, err
	}
	e := &match.Event{Type: pub.Type, Tenant: pub.Tenant, Channels: pub.Channels, Data: pub.Data}
	a := acceptance(t, pub)
	for missed := 0; ; missed++ {
		if p.archived[pub.Type] {
			if err := p.catchUp(ctx, t.No, index); err != nil || p.archived[pub.Type] {
				return event.Published{}, cmp.Or[error](err, event.Invalid("event", "is archived"))
			}
		}
		var matched []*match.Subscription
		matched, a.TenantVersion = index.Match(nil, e)
		a.TypesVersion, a.Deliveries = p.types, p.deliveries(a.Event, matched)
		if missed >= misses {
			a.Rematch = func(c event.TenantChanges) ([]event.Delivery, error) {
				return p.deliveries(a.Event, rematched(matched, c, e)), nil
			}
		}
		receipt, err := p.n.Accept(ctx, a)
		if !errors.Is(err, event.ErrStale) {
			p.n.wake()
			return event.Published{Event: receipt.Event, Tenant: t.ID, Deliveries: receipt.Made, Refused: receipt.Refused, Duplicate: receipt.Replayed}, err
		}
		if err := p.catchUp(ctx, t.No, index); err != nil {
			return event.Published{}, err
		}
	}
}

// loaded returns the index of a tenant, and loads it if the node has none.
func (p *publisher) loaded(ctx context.Context, no int64) (*match.Tenant, error) {
	if index := p.indexes[no]; index != nil {
		return index, nil
	}
	index := match.NewTenant(0, nil)
	if err := p.catchUp(ctx, no, index); err != nil {
		return nil, err
	}
	p.indexes[no] = index
	return index, nil
}

// catchUp applies the changes that an index lacks, and reads the version of the registry.
func (p *publisher) catchUp(ctx context.Context, no int64, index *match.Tenant) error {
	for behind := true; behind; {
		from := index.Version()
		c, err := p.n.TenantChanges(ctx, no, from, changesPage)
		if err != nil {
			return err
		}
		index.Apply(changesOf(from, c))
		behind = c.To < c.Tenant.Version
	}
	changed, now, err := p.n.EventTypesSince(ctx, p.types)
	if err != nil || now <= p.types {
		return err
	}
	for _, t := range changed {
		p.archived[t.Name] = t.Archived()
	}
	p.types = now
	return nil
}

// rematched returns what matches after changes. It leaves the index as it is, because the changes
// may be those of a transaction that fails.
func rematched(before []*match.Subscription, c event.TenantChanges, e *match.Event) (now []*match.Subscription) {
	for _, s := range before {
		if !slices.ContainsFunc(c.Subscriptions, func(changed event.Subscription) bool { return changed.ID == s.ID }) {
			now = append(now, s)
		}
	}
	for _, s := range c.Subscriptions {
		if wish := wishOf(s); !s.Deleted() {
			if matches, _ := wish.Match(e); matches {
				now = append(now, wish)
			}
		}
	}
	return now
}

func changesOf(from int64, c event.TenantChanges) match.Changes {
	changes := match.Changes{From: from, To: c.To}
	for _, s := range c.Subscriptions {
		if s.Deleted() {
			changes.Removed = append(changes.Removed, s.ID)
		} else {
			changes.Put = append(changes.Put, wishOf(s))
		}
	}
	return changes
}

func wishOf(s event.Subscription) *match.Subscription {
	wish := &match.Subscription{ID: s.ID, EventTypes: s.EventTypes, Channels: s.Channels, Active: s.Active, Paused: s.Paused()}
	if s.Filter != nil {
		filter, err := match.Compile(s.Filter)
		if err != nil {
			panic(err) // the simulation makes no wrong filters
		}
		wish.Filter = filter
	}
	return wish
}

// acceptance returns the acceptance of an event, without its deliveries.
func acceptance(t event.Tenant, pub event.Publication) event.Acceptance {
	now := time.Now()
	return event.Acceptance{
		Event: event.Event{
			ID: event.NewID(now), Type: pub.Type, ContentType: "application/json", CreatedAt: now, TenantNo: t.No,
			Payload:    fmt.Appendf(nil, `{"event":%q,"data":%s}`, pub.Type, pub.Data),
			Attributes: &event.Attributes{Channels: pub.Channels, DeliverAt: pub.DeliverAt},
		},
		IdempotencyKey: pub.IdempotencyKey,
		BodyHash:       sha256.Sum256(fmt.Appendf(nil, "%q %s %q %v", pub.Type, pub.Data, pub.Channels, pub.DeliverAt)),
		Published:      true,
	}
}

// deliveries returns the deliveries of an event to the subscriptions that matched. Those whose
// backlog is full fail at once.
func (p *publisher) deliveries(e event.Event, matched []*match.Subscription) (list []event.Delivery) {
	due := e.CreatedAt
	if at := e.Attributes.DeliverAt; at.After(due) {
		due = at
	}
	for _, s := range matched {
		d := event.Delivery{ID: event.DeliveryID(e.ID, s.ID), EventID: e.ID, SubscriptionID: s.ID, DueAt: due, CreatedAt: e.CreatedAt}
		if p.n.w.endpoint(s.ID).full {
			d.Status, d.SettledAt = event.Failed, e.CreatedAt
		}
		list = append(list, d)
	}
	return list
}
