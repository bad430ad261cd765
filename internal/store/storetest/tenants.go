package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var tenantCases = []testCase{
	{"two tenants always exist and can't be deleted", builtInTenants},
	{"a tenant is returned as it was put", tenantRoundTrip},
	{"putting a tenant again replaces what a caller may set", tenantReplaced},
	{"a subscription creates its tenant", tenantBySubscription},
	{"tenants are listed by id in both directions", tenantPages},
	{"ids of tenants differ by every byte", tenantIDsExact},
	{"each change to a subscription increases the version of its tenant alone", tenantVersions},
	{"the changes of a tenant are complete from every version", tenantChanges},
	{"the changes of a tenant come in pages", tenantChangePages},
	{"a deleted tenant is not found and its subscriptions are deleted in steps", tenantDeleted},
	{"a tenant that is created again is another one", tenantAgain},
	{"a uid is unique in its tenant", uidUnique},
	{"a uid finds its subscription until it is deleted", uidFinds},
	{"a tenant's limit of subscriptions holds", tenantLimit},
	{"a tenant's limit of subscriptions holds under concurrency", tenantLimitRace},
	{"subscriptions are listed by tenant, in both orders and directions", subscriptionOrders},
}

// in sets the tenant of a subscription.
func in(tenant string) func(*event.Subscription) {
	return func(s *event.Subscription) { s.Tenant = tenant }
}

func uid(text string) func(*event.Subscription) {
	return func(s *event.Subscription) { s.UID = text }
}

func (r rig) tenant(id string) event.Tenant {
	r.t.Helper()
	t, err := r.s.Tenant(r.t.Context(), id)
	r.must("read a tenant", err)
	return t
}

func (r rig) putTenant(t event.Tenant) (event.Tenant, bool) {
	r.t.Helper()
	t, created, err := r.s.PutTenant(r.t.Context(), t)
	r.must("put a tenant", err)
	return t, created
}

// changes returns the changes after a version, in one page.
func (r rig) changes(no, after int64) event.TenantChanges {
	r.t.Helper()
	c, err := r.s.TenantChanges(r.t.Context(), no, after, 10_000)
	r.must("read the changes of a tenant", err)
	if c.To != c.Tenant.Version {
		r.t.Errorf("changes to version %d of tenant at version %d", c.To, c.Tenant.Version)
	}
	return c
}

func changedIDs(c event.TenantChanges) []event.ID {
	var ids []event.ID
	for _, s := range c.Subscriptions {
		ids = append(ids, s.ID)
	}
	return ids
}

func builtInTenants(r rig) {
	for id, no := range map[string]int64{event.DefaultTenant: event.DefaultTenantNo, event.ServiceTenant: event.ServiceTenantNo} {
		t := r.tenant(id)
		if t.ID != id || t.No != no || t.Deleted() || t.Version < 1 {
			r.t.Errorf("got %+v", t)
		}
		r.mustFail("delete "+id, r.s.DeleteTenant(r.t.Context(), id, r.tick()), event.ErrBuiltIn)
	}
	_, created := r.putTenant(event.Tenant{ID: event.DefaultTenant, Name: "ours", CreatedAt: r.tick(), UpdatedAt: r.tick()})
	if got := r.tenant(event.DefaultTenant); created || got.Name != "ours" || got.No != event.DefaultTenantNo {
		r.t.Errorf("put the default tenant: created %v, then %+v", created, got)
	}
	_, err := r.s.Tenant(r.t.Context(), "acme")
	r.mustFail("read an unknown tenant", err, event.ErrNotFound)
	_, err = r.s.TenantChanges(r.t.Context(), 4711, 0, 10)
	r.mustFail("read the changes of an unknown tenant", err, event.ErrNotFound)
	r.mustFail("delete an unknown tenant", r.s.DeleteTenant(r.t.Context(), "acme", r.tick()), event.ErrNotFound)
}

func (r rig) newTenant(id string) event.Tenant {
	at := r.tick()
	return event.Tenant{
		ID: id, Name: "Acme \u00e9\U0001F600 'quoted' \"twice\" \\", Metadata: map[string]string{"plan": "gold", "k \"": "v\n\u00e9"},
		Limits:    event.TenantLimits{PublishPerSecond: 12.5, Pending: 1000, Subscriptions: 7},
		CreatedAt: at, UpdatedAt: at,
	}
}

func tenantRoundTrip(r rig) {
	want := r.newTenant("acme")
	got, created := r.putTenant(want)
	want.No, want.Version = got.No, got.Version
	if !created || got.No <= event.ServiceTenantNo || got.Version < 1 {
		r.t.Errorf("created %v with the number %d at version %d", created, got.No, got.Version)
	}
	same(r.t, "tenant when put", got, want)
	same(r.t, "tenant as it is read", r.tenant("acme"), want)
	same(r.t, "tenant of its changes", r.changes(got.No, 0).Tenant, want)
	inUTC(r.t, map[string]time.Time{"created": got.CreatedAt, "updated": got.UpdatedAt})
	small, _ := r.putTenant(event.Tenant{ID: "b", CreatedAt: r.tick(), UpdatedAt: r.tick()})
	if small.No == got.No || small.Name != "" || len(small.Metadata) != 0 || small.Limits != (event.TenantLimits{}) {
		r.t.Errorf("got %+v", small)
	}
}

func tenantReplaced(r rig) {
	before, _ := r.putTenant(r.newTenant("acme"))
	sub := r.subscribe(in("acme"))
	version := r.tenant("acme").Version
	at := r.tick()
	after, created := r.putTenant(event.Tenant{ID: "acme", Name: "other", CreatedAt: at, UpdatedAt: at})
	if created {
		r.t.Error("a tenant was created twice")
	}
	want := event.Tenant{ID: "acme", No: before.No, Name: "other", CreatedAt: before.CreatedAt, UpdatedAt: at, Version: after.Version}
	same(r.t, "tenant", after, want)
	if after.Version < version {
		r.t.Errorf("the version decreased from %d to %d", version, after.Version)
	}
	same(r.t, "its subscriptions", changedIDs(r.changes(after.No, 0)), []event.ID{sub.ID})
}

func tenantBySubscription(r rig) {
	s := r.subscribe(in("acme"))
	t := r.tenant("acme")
	got := r.subscription(s.ID)
	if got.Tenant != "acme" || got.TenantNo != t.No || t.No <= event.ServiceTenantNo {
		r.t.Errorf("subscription of %q with the number %d; the tenant has %d", got.Tenant, got.TenantNo, t.No)
	}
	if t.CreatedAt.IsZero() || t.UpdatedAt.IsZero() {
		r.t.Errorf("got %+v", t)
	}
	other := r.subscription(r.subscribe(in("acme")).ID)
	if other.TenantNo != t.No {
		r.t.Errorf("the second subscription is of tenant %d, not %d", other.TenantNo, t.No)
	}
	plain := r.subscription(r.subscribe(in("")).ID)
	if plain.Tenant != event.DefaultTenant || plain.TenantNo != event.DefaultTenantNo {
		r.t.Errorf("a subscription without a tenant is of %q, number %d", plain.Tenant, plain.TenantNo)
	}
}

func tenantPages(r rig) {
	names := []string{"B", "a", "a-", "a.", "a0", "aa", "b", "z_"}
	for _, name := range slices.Backward(names) {
		r.putTenant(event.Tenant{ID: name, CreatedAt: r.tick(), UpdatedAt: r.tick()})
	}
	all := append([]string{event.DefaultTenant, event.ServiceTenant}, names...)
	slices.Sort(all)
	page := func(q event.TenantQuery) (ids []string) {
		list, err := r.s.ListTenants(r.t.Context(), q)
		r.must("list tenants", err)
		for _, t := range list {
			ids = append(ids, t.ID)
			same(r.t, "tenant "+t.ID, t, r.tenant(t.ID))
		}
		return ids
	}
	same(r.t, "all", page(event.TenantQuery{Limit: 100}), all)
	same(r.t, "the first 3", page(event.TenantQuery{Limit: 3}), all[:3])
	same(r.t, "the next 3", page(event.TenantQuery{After: all[2], Limit: 3}), all[3:6])
	same(r.t, "the 3 before them", page(event.TenantQuery{Before: all[3], Limit: 3}), all[:3])
	same(r.t, "the 2 before these", page(event.TenantQuery{Before: all[2], Limit: 3}), all[:2])
	same(r.t, "after one that is not there", page(event.TenantQuery{After: "a!", Limit: 1}), []string{"a-"})
	same(r.t, "after the last", page(event.TenantQuery{After: all[len(all)-1], Limit: 3}), []string(nil))
	r.must("delete a tenant", r.s.DeleteTenant(r.t.Context(), all[0], r.tick()))
	same(r.t, "without the deleted one", page(event.TenantQuery{Limit: 100}), all[1:])
}

func tenantIDsExact(r rig) {
	seen := map[int64]string{}
	for _, id := range []string{"acme", "Acme", "ACME", "acme.", "acme-", "acme_", "0", "00"} {
		t, created := r.putTenant(event.Tenant{ID: id, CreatedAt: r.tick(), UpdatedAt: r.tick()})
		if other, taken := seen[t.No]; !created || taken {
			r.t.Errorf("tenant %q has the number of %q", id, other)
		}
		seen[t.No] = id
	}
}

func tenantVersions(r rig) {
	s := r.subscribe(in("a"))
	r.subscribe(in("b"))
	b := r.tenant("b").Version
	last := r.tenant("a").Version
	step := func(what string, changes bool) {
		r.t.Helper()
		now := r.tenant("a").Version
		if changes && now <= last || !changes && now != last {
			r.t.Errorf("%s: version %d before and %d after", what, last, now)
		}
		last = now
	}
	r.subscribe(in("a"))
	step("create", true)
	edited := r.subscription(s.ID)
	edited.Secrets, edited.Headers = nil, nil
	edited.EventTypes = []string{"user.*"}
	edited.UpdatedAt = r.tick()
	edited, err := r.s.ReplaceSubscription(r.t.Context(), edited)
	r.must("replace", err)
	step("replace", true)
	r.pause(s.ID, "support", "")
	step("pause", true)
	r.resume(s.ID)
	step("resume", true)
	first := r.accept(s.ID, leased("node-a", r.now.Add(time.Minute)))
	step("accept", false)
	r.record(settle(first.Deliveries[0], r.tick(), failure()))
	step("a failed attempt", false)
	second := r.accept(s.ID, leased("node-a", r.now.Add(time.Minute)))
	r.record(settle(second.Deliveries[0], r.tick(), gone()))
	if r.subscription(s.ID).Active {
		r.t.Error("410 did not disable the subscription")
	}
	step("disabled by the endpoint", true)
	r.delete(s.ID)
	step("delete", true)
	if now := r.tenant("b").Version; now != b {
		r.t.Errorf("the version of the other tenant changed from %d to %d", b, now)
	}
}

func tenantChanges(r rig) {
	a, b := r.subscribe(in("acme")), r.subscribe(in("acme"))
	r.subscribe(in("other"))
	r.subscribe()
	no := r.tenant("acme").No
	all := r.changes(no, 0)
	same(r.t, "at first", changedIDs(all), []event.ID{a.ID, b.ID})
	same(r.t, "as they are read", all.Subscriptions, []event.Subscription{r.subscription(a.ID), r.subscription(b.ID)})
	same(r.t, "after all", changedIDs(r.changes(no, all.To)), []event.ID(nil))

	r.pause(a.ID, "support", "")
	paused := r.changes(no, all.To)
	same(r.t, "after a pause", paused.Subscriptions, []event.Subscription{r.subscription(a.ID)})
	c := r.subscribe(in("acme"))
	r.delete(b.ID)
	r.resume(a.ID)
	since := r.changes(no, all.To)
	same(r.t, "in the order of the last change", changedIDs(since), []event.ID{c.ID, b.ID, a.ID})
	if !since.Subscriptions[1].Deleted() || since.Subscriptions[2].Paused() {
		r.t.Errorf("got %+v", since.Subscriptions)
	}
	same(r.t, "after the pause", changedIDs(r.changes(no, paused.To)), []event.ID{c.ID, b.ID, a.ID})
	same(r.t, "all, without the deleted one", changedIDs(r.changes(no, 0)), []event.ID{c.ID, a.ID})
}

func tenantChangePages(r rig) {
	var want []event.ID
	for range 7 {
		want = append(want, r.subscribe(in("acme")).ID)
	}
	t := r.tenant("acme")
	var got []event.ID
	for after := int64(0); ; {
		c, err := r.s.TenantChanges(r.t.Context(), t.No, after, 3)
		r.must("read the changes of a tenant", err)
		if len(c.Subscriptions) > 3 {
			r.t.Fatalf("got %d subscriptions, want at most 3", len(c.Subscriptions))
		}
		got = append(got, changedIDs(c)...)
		if c.To == t.Version {
			break
		}
		if c.To <= after {
			r.t.Fatalf("changes from %d to %d", after, c.To)
		}
		after = c.To
	}
	same(r.t, "subscriptions of all pages", got, want)
}

func tenantDeleted(r rig) {
	var subs []event.ID
	for range 5 {
		subs = append(subs, r.subscribe(in("acme")).ID)
	}
	other := r.subscribe(in("other"))
	waits, leftAlone := r.accept(subs[0]), r.accept(other.ID)
	before := r.tenant("acme")
	r.must("delete a tenant", r.s.DeleteTenant(r.t.Context(), "acme", r.tick()))
	_, err := r.s.Tenant(r.t.Context(), "acme")
	r.mustFail("read a deleted tenant", err, event.ErrNotFound)
	r.mustFail("delete it again", r.s.DeleteTenant(r.t.Context(), "acme", r.tick()), event.ErrNotFound)
	c, err := r.s.TenantChanges(r.t.Context(), before.No, before.Version, 10)
	r.must("read the changes of a deleted tenant", err)
	if !c.Tenant.Deleted() || c.Tenant.Version <= before.Version {
		r.t.Errorf("got %+v", c.Tenant)
	}
	var done []int
	for {
		n, err := r.s.ClearTenants(r.t.Context(), r.tick(), 2)
		r.must("clear tenants", err)
		if n == 0 {
			break
		}
		done = append(done, n)
	}
	same(r.t, "steps", done, []int{2, 2, 1})
	for _, id := range subs {
		if !r.subscription(id).Deleted() {
			r.t.Errorf("subscription %s is not deleted", id)
		}
	}
	if got := r.delivery(waits.Deliveries[0].ID).Delivery.Status; got != event.Cancelled {
		r.t.Errorf("its pending delivery is %s", got)
	}
	if got := r.delivery(leftAlone.Deliveries[0].ID).Delivery.Status; got != event.Pending || r.subscription(other.ID).Deleted() {
		r.t.Errorf("the delivery of another tenant is %s", got)
	}
	r.sound()
}

func tenantAgain(r rig) {
	first, _ := r.putTenant(r.newTenant("acme"))
	sub := r.subscribe(in("acme"), uid("main"))
	r.must("delete a tenant", r.s.DeleteTenant(r.t.Context(), "acme", r.tick()))
	second, created := r.putTenant(event.Tenant{ID: "acme", CreatedAt: r.tick(), UpdatedAt: r.tick()})
	if !created || second.No == first.No || second.Name != "" {
		r.t.Errorf("created %v: %+v", created, second)
	}
	again := r.subscribe(in("acme"), uid("main"))
	same(r.t, "its subscriptions", changedIDs(r.changes(second.No, 0)), []event.ID{again.ID})
	if n, err := r.s.ClearTenants(r.t.Context(), r.tick(), 10); n != 1 || err != nil {
		r.t.Errorf("cleared %d subscriptions, %v", n, err)
	}
	if !r.subscription(sub.ID).Deleted() || r.subscription(again.ID).Deleted() {
		r.t.Error("the wrong subscription was deleted")
	}
}

func (r rig) failSubscribe(want error, edits ...func(*event.Subscription)) {
	r.t.Helper()
	at := r.tick()
	s := event.Subscription{ID: event.NewID(at), TargetURL: "https://example.com/", Active: true, CreatedAt: at, UpdatedAt: at}
	for _, edit := range edits {
		edit(&s)
	}
	r.mustFail("create a subscription", r.s.CreateSubscription(r.t.Context(), s), want)
	_, err := r.s.Subscription(r.t.Context(), s.ID)
	r.mustFail("read a subscription that was refused", err, event.ErrNotFound)
}

func uidUnique(r rig) {
	first := r.subscribe(in("a"), uid("main"))
	r.subscribe(in("b"), uid("main"))
	r.subscribe(uid("main"))
	r.subscribe(in("a"), uid("Main"))
	r.subscribe(in("a"))
	second := r.subscribe(in("a"))
	r.failSubscribe(event.ErrUIDTaken, in("a"), uid("main"))
	version := r.tenant("a").Version
	renamed := r.subscription(second.ID)
	renamed.UID = "main"
	_, err := r.s.ReplaceSubscription(r.t.Context(), renamed)
	r.mustFail("take a uid by a replacement", err, event.ErrUIDTaken)
	if got := r.subscription(second.ID); got.UID != "" || r.tenant("a").Version != version {
		r.t.Errorf("the refused replacement left %+v", got)
	}
	kept := r.subscription(first.ID)
	kept.Description = "changed"
	_, err = r.s.ReplaceSubscription(r.t.Context(), kept)
	r.must("replace and keep the uid", err)
	r.delete(first.ID)
	r.subscribe(in("a"), uid("main"))
}

func uidFinds(r rig) {
	s := r.subscribe(in("a"), uid("main"))
	no := r.tenant("a").No
	got, err := r.s.SubscriptionByUID(r.t.Context(), no, "main")
	r.must("find a subscription by its uid", err)
	same(r.t, "subscription", got, r.subscription(s.ID))
	for _, miss := range []struct {
		no  int64
		uid string
	}{{event.DefaultTenantNo, "main"}, {no, "MAIN"}, {no, ""}, {4711, "main"}} {
		_, err := r.s.SubscriptionByUID(r.t.Context(), miss.no, miss.uid)
		r.mustFail(fmt.Sprintf("find %q in tenant %d", miss.uid, miss.no), err, event.ErrNotFound)
	}
	r.delete(s.ID)
	_, err = r.s.SubscriptionByUID(r.t.Context(), no, "main")
	r.mustFail("find a deleted subscription by its uid", err, event.ErrNotFound)
}

func tenantLimit(r rig) {
	r.putTenant(event.Tenant{ID: "acme", Limits: event.TenantLimits{Subscriptions: 2}, CreatedAt: r.tick(), UpdatedAt: r.tick()})
	first := r.subscribe(in("acme"))
	r.subscribe(in("acme"))
	r.failSubscribe(event.ErrTenantLimit, in("acme"))
	r.subscribe(in("other"))
	r.delete(first.ID)
	r.subscribe(in("acme"))
	r.failSubscribe(event.ErrTenantLimit, in("acme"))
}

func tenantLimitRace(r rig) {
	r.putTenant(event.Tenant{ID: "acme", Limits: event.TenantLimits{Subscriptions: 5}, CreatedAt: r.tick(), UpdatedAt: r.tick()})
	var wg sync.WaitGroup
	for range 20 {
		at := r.tick()
		s := event.Subscription{ID: event.NewID(at), Tenant: "acme", TargetURL: "https://example.com/", Active: true, CreatedAt: at, UpdatedAt: at}
		wg.Go(func() { _ = r.s.CreateSubscription(r.t.Context(), s) })
	}
	wg.Wait()
	if n := len(r.changes(r.tenant("acme").No, 0).Subscriptions); n != 5 {
		r.t.Errorf("the tenant has %d subscriptions, want 5", n)
	}
}

func subscriptionOrders(r rig) {
	named := func(name string) func(*event.Subscription) { return func(s *event.Subscription) { s.Name = name } }
	var made []event.Subscription
	for _, name := range []string{"b", "", "a", "b", "B", ""} {
		made = append(made, r.subscribe(in("acme"), named(name)))
	}
	r.subscribe(in("other"), named("a"))
	r.delete(r.subscribe(in("acme"), named("a")).ID)
	no := r.tenant("acme").No
	for _, order := range []struct {
		order event.SubscriptionOrder
		want  []int
	}{{event.OrderCreated, []int{5, 4, 3, 2, 1, 0}}, {event.OrderName, []int{5, 1, 4, 2, 3, 0}}} {
		r.t.Run("order "+string(order.order), func(t *testing.T) { //nolint:thelper // a case, not a helper
			sub := r
			sub.t = t
			var want []event.ID
			var at []event.SubscriptionPosition
			for _, i := range order.want {
				want = append(want, made[i].ID)
				p := event.SubscriptionPosition{ID: made[i].ID}
				if order.order == event.OrderName {
					p.Name = made[i].Name
				}
				at = append(at, p)
			}
			page := func(q event.SubscriptionQuery) (ids []event.ID) {
				q.TenantNo, q.Order = &no, order.order
				list, err := sub.s.ListSubscriptions(t.Context(), q)
				sub.must("list subscriptions", err)
				for _, s := range list {
					ids = append(ids, s.ID)
				}
				return ids
			}
			same(t, "all", page(event.SubscriptionQuery{Limit: 100}), want)
			for i := range at {
				same(t, fmt.Sprintf("after %d", i), page(event.SubscriptionQuery{After: at[i], Limit: 2}), want[i+1:min(i+3, len(want))])
				same(t, fmt.Sprintf("before %d", i), page(event.SubscriptionQuery{Before: at[i], Limit: 2}), want[max(i-2, 0):i])
			}
		})
	}
	list, err := r.s.ListSubscriptions(r.t.Context(), event.SubscriptionQuery{Limit: 100})
	r.must("list subscriptions of all tenants", err)
	if len(list) != 7 {
		r.t.Errorf("got %d subscriptions of all tenants, want 7", len(list))
	}
}
