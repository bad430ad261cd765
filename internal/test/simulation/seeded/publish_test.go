package seeded

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// tenants are those to which events are published. Each may be deleted, and created again by its
// next subscription.
var tenants = []string{"acme", "beta"}

// The choices of subscriptions and events, nil among them: no wish, no channels.
var (
	patterns = [][]string{nil, {"user.created"}, {"user.*"}, {"invoice.paid.late", "user.deleted"}, {"invoice.*", "user.*"}}
	channels = [][]string{nil, nil, {"eu"}, {"us", "eu"}}
	filters  = []string{"", "", `{"data":{"id":2}}`}
	types    = []string{"user.created", "user.deleted", "invoice.paid.late"}
)

// news is what a caller publishes to a tenant, and what its subscriptions were before the first
// request.
type news struct {
	event.Publication
	tenantNo int64 // -1 if there was no such tenant
	before   []wish
	types    int64 // the version of the registry
	archived bool  // its type
}

// wish is whether a subscription matched an event at a version of its tenant.
type wish struct {
	id      event.ID
	version int64
	matched bool
}

func (w *world) newPublisher() *caller {
	p := event.Publication{
		Tenant: one(w, tenants), Type: one(w, types), Data: fmt.Appendf(nil, `{"id":%d}`, 1+w.dice.IntN(2)), Channels: one(w, channels),
	}
	if w.chance(0.1) {
		p.DeliverAt = time.Now().Add(w.between(0, 10*time.Second))
	}
	c := w.newCaller(nil)
	p.IdempotencyKey = c.key
	c.news = &news{Publication: p, tenantNo: -1, types: w.store.typesVersion, archived: w.isArchived(p.Type)}
	if t := w.store.tenant(p.Tenant); t != nil {
		c.news.tenantNo = t.No
		for _, s := range w.store.subs {
			if s.TenantNo == t.No {
				c.news.before = append(c.news.before, wish{s.ID, s.version, matches(s, p.Type, p.Data, p.Channels)})
			}
		}
	}
	return c
}

func one[T any](w *world, choices []T) T { return choices[w.dice.IntN(len(choices))] }

// matches states the rules of matching differently from package match, for the subscriptions and
// events of the simulation only.
func matches(s *subscription, eventType string, data []byte, eventChannels []string) bool {
	wanted := len(s.EventTypes) == 0
	for _, p := range s.EventTypes {
		below, isPrefix := strings.CutSuffix(p, "*")
		wanted = wanted || p == eventType || isPrefix && strings.HasPrefix(eventType, below)
	}
	shared := len(s.Channels) == 0
	for _, c := range eventChannels {
		shared = shared || slices.Contains(s.Channels, c)
	}
	filtered := s.Filter == nil || string(data) == `{"id":2}`
	return s.Active && !s.Deleted() && wanted && shared && filtered
}

// manage changes something of a tenant, as an operator may at any moment.
func (w *world) manage(tenant string) {
	members := w.members(tenant)
	room := len(w.endpoints) < 16
	if len(members) == 0 {
		if room {
			w.join(tenant)
		}
		return
	}
	e := one(w, members)
	switch dice := w.dice.IntN(20); {
	case dice < 6 && room:
		w.join(tenant)
	case dice < 11:
		w.rewrite(e)
	case dice < 13:
		w.toggle(e)
	case dice < 15:
		w.pauseOrResume(e)
	case dice < 16:
		e.full, e.wasFull = !e.full, true
		w.log("%s has a full backlog: %v", e.name, e.full)
	case dice < 18:
		w.remove(e)
	case dice < 19:
		w.forget(tenant)
	default:
		w.dissolve(tenant)
	}
}

// members returns the endpoints of a tenant that are not deleted, in the order of their creation.
func (w *world) members(tenant string) (list []*endpoint) {
	t := w.store.tenant(tenant)
	for _, e := range w.endpoints {
		if s := w.store.sub(e.id); t != nil && s.TenantNo == t.No && !s.Deleted() {
			list = append(list, e)
		}
	}
	return list
}

// join creates a subscription of a tenant. Its endpoint is well.
func (w *world) join(tenant string) {
	e := &endpoint{name: fmt.Sprintf("s%d", len(w.endpoints)), id: w.newID(), mood: "well", joined: true, most: w.limits.LaneInFlight}
	s := event.Subscription{ID: e.id, Tenant: tenant, TargetURL: "https://example.com/" + e.name, Active: true, CreatedAt: time.Now(), UpdatedAt: time.Now()}
	w.wish(&s)
	w.endpoints = append(w.endpoints, e)
	w.must(w.store.CreateSubscription(w.t.Context(), s))
	w.log("%s joins %s for %q %q %s", e.name, tenant, s.EventTypes, s.Channels, s.Filter)
	w.settle(w.change())
}

// wish sets what a subscription wants.
func (w *world) wish(s *event.Subscription) {
	s.EventTypes, s.Channels, s.Filter = one(w, patterns), one(w, channels), nil
	if f := one(w, filters); f != "" {
		s.Filter = []byte(f)
	}
}

// rewrite changes what a subscription wants.
func (w *world) rewrite(e *endpoint) {
	s := w.store.sub(e.id).Subscription
	w.wish(&s)
	s.UpdatedAt, s.Revision = time.Now(), 0
	_, err := w.store.ReplaceSubscription(w.t.Context(), s)
	w.must(err)
	w.log("%s wants %q %q %s", e.name, s.EventTypes, s.Channels, s.Filter)
	w.settle(w.change())
}

// register registers an event type or archives it. Nodes refuse events of archived types.
func (w *world) register(name string) {
	var err error
	if w.store.eventType(name) == nil || w.isArchived(name) || w.chance(0.4) {
		_, _, err = w.store.PutEventType(w.t.Context(), event.EventType{Name: name, CreatedAt: time.Now(), UpdatedAt: time.Now()})
	} else {
		_, err = w.store.ArchiveEventType(w.t.Context(), name, time.Now())
	}
	w.must(err)
	w.log("%s is archived: %v", name, w.isArchived(name))
	w.settle(w.change())
}

// registerAll registers all types, because the service may be told to accept no others.
func (w *world) registerAll() {
	for _, name := range types {
		_, _, err := w.store.PutEventType(w.t.Context(), event.EventType{Name: name, CreatedAt: time.Now(), UpdatedAt: time.Now()})
		w.must(err)
	}
}

func (w *world) isArchived(eventType string) bool {
	t := w.store.eventType(eventType)
	return t != nil && t.Archived()
}

// forget makes a node drop its index of a tenant, as one that is short of memory does.
func (w *world) forget(tenant string) {
	nodes, t := w.living(""), w.store.tenant(tenant)
	if len(nodes) == 0 || t == nil {
		return
	}
	n := one(w, nodes)
	delete(n.publisher.indexes, t.No)
	w.log("%s forgets %s", n.name, tenant)
}

// dissolve deletes a tenant. Its subscriptions go in steps, unless a dissolved one is left to clear.
func (w *world) dissolve(tenant string) {
	if w.clear(2) > 0 {
		return
	}
	w.must(w.store.DeleteTenant(w.t.Context(), tenant, time.Now()))
	w.log("%s is deleted", tenant)
	w.settle(w.change())
}

// clear deletes at most limit subscriptions of deleted tenants, and returns their number.
func (w *world) clear(limit int) int {
	n, err := w.store.ClearTenants(w.t.Context(), time.Now(), limit)
	w.must(err)
	if n > 0 {
		w.log("%d subscriptions of deleted tenants are deleted", n)
		w.settle(&call{node: &node{name: "api"}, kind: "delete"})
	}
	return n
}

// offered returns a published event that waits to be accepted, or nil.
func (w *world) offered() *call {
	for _, c := range w.calls() {
		if c.published != nil {
			return c
		}
	}
	return nil
}

// disturb changes something that an event depends on which waits to be accepted.
func (w *world) disturb(e *event.Event) {
	if w.chance(0.15) {
		w.register(e.Type)
		return
	}
	w.manage(w.store.tenantNo(e.TenantNo).ID)
}

func (w *world) nameDeliveries(of string, list []event.Delivery) {
	for _, d := range list {
		w.name(d.ID, of+">"+w.endpoint(d.SubscriptionID).name)
	}
}

// watchRematch counts the calls of Rematch, and names what it returns.
func (w *world) watchRematch(of string, rematch func(event.TenantChanges) ([]event.Delivery, error)) func(event.TenantChanges) ([]event.Delivery, error) {
	if rematch == nil {
		return nil
	}
	return func(c event.TenantChanges) ([]event.Delivery, error) {
		list, err := rematch(c)
		w.nameDeliveries(of, list)
		w.count(func(s *stats) { s.rematched++ })
		return list, err
	}
}

// lookAtEvents checks the events that the last step stored.
func (w *world) lookAtEvents() {
	for ; w.events < len(w.store.events); w.events++ {
		e := w.store.events[w.events]
		if e.deliveries == 0 {
			w.bare++
		}
		if e.published {
			w.stats.published++
			w.log("  %s is stored with %d deliveries", w.nameOf(e.ID), e.deliveries)
			w.complete(e)
		}
	}
}

// complete checks that a published event has a delivery for each subscription that matches at the
// moment at which it is stored, and no other.
func (w *world) complete(e *stored) {
	var channels []string
	if e.Attributes != nil {
		channels = e.Attributes.Channels
	}
	name, wanted := w.nameOf(e.ID), 0
	w.demand(!w.isArchived(e.Type), "%s is of an archived type", name)
	for _, s := range w.store.subs {
		d := w.deliveryOf(e.ID, s.ID)
		if s.TenantNo != e.TenantNo || !matches(s, e.Type, e.Data(), channels) {
			w.demand(d == nil, "%s has a delivery to %s, which does not match", name, w.endpoint(s.ID).name)
			continue
		}
		wanted++
		if d == nil {
			w.demand(false, "%s has no delivery to %s, which matches", name, w.endpoint(s.ID).name)
			continue
		}
		refused := d.Status == event.Failed && w.endpoint(s.ID).wasFull // the publisher may have looked earlier
		w.demand(d.Status == event.Pending || refused, "%s was stored as %v", w.nameOf(d.ID), d.Status)
		if refused {
			w.refused[e.ID]++
		}
	}
	w.demand(e.deliveries == wanted, "%s was stored with %d deliveries, want %d", name, e.deliveries, wanted)
}

// deliveryOf returns the delivery of an event to a subscription, or nil.
func (w *world) deliveryOf(e, subscription event.ID) *event.Delivery {
	for _, r := range w.store.rows {
		if r.d.EventID == e && r.d.SubscriptionID == subscription {
			return &r.d
		}
	}
	return nil
}

// answered checks what a publisher was told: that the event is there, and that each subscription
// that did not change since before the first request got it if it wanted it.
func (w *world) answered(c *caller, got event.Published, err error) {
	if err != nil {
		gone := errors.Is(err, event.ErrNotFound) && (c.news.tenantNo < 0 || w.store.tenantNo(c.news.tenantNo).Deleted())
		archived := errors.As(err, new(*event.InvalidError)) && (c.news.archived || w.store.typesVersion > c.news.types)
		w.demand(gone || archived, "%s was refused: %v", c.name, err)
		return
	}
	i := slices.IndexFunc(w.store.events, func(e *stored) bool { return e.ID == got.Event })
	if i < 0 {
		w.demand(false, "%s was told of an event that is not there: it is lost", c.name)
		return
	}
	e := w.store.events[i]
	last := fmt.Sprintf("%s/%d", c.name, len(c.tries))
	w.demand(got.Duplicate == (w.nameOf(e.ID) != last), "%s was told that its event is a duplicate: %v, but it was %s that was stored", last, got.Duplicate, w.nameOf(e.ID))
	w.demand(got.Deliveries == e.deliveries && got.Refused == w.refused[e.ID] && got.Tenant == c.news.Tenant,
		"%s was told %+v, and %d deliveries were made, %d of them refused", c.name, got, e.deliveries, w.refused[e.ID])
	for _, was := range c.news.before {
		if s := w.store.sub(was.id); s.version != was.version || e.TenantNo != c.news.tenantNo {
			continue // it was changed or deleted meanwhile
		}
		has := w.deliveryOf(e.ID, was.id) != nil
		w.demand(has == was.matched, "%s: %s matched before and still does: %v; it has a delivery: %v", c.name, w.endpoint(was.id).name, was.matched, has)
	}
}

// storedOnce checks that a caller's event was stored at most once in each tenant.
func (w *world) storedOnce(c *caller) {
	var in []int64
	for _, e := range w.store.events {
		if by, _, _ := strings.Cut(w.nameOf(e.ID), "/"); by == c.name {
			w.demand(!slices.Contains(in, e.TenantNo), "%s has two events under one key", c.name)
			in = append(in, e.TenantNo)
		}
	}
}
