package storetest

import (
	"fmt"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var publishCases = []testCase{
	{"a published event is stored with all deliveries that matched", publishRoundTrip},
	{"a published event may match nothing", publishNone},
	{"a delivery may fail at once because of a full backlog", publishRefused},
	{"an event matched at another version is refused and leaves nothing", publishStale},
	{"an event is matched again within the transaction", publishRematched},
	{"an event that can't be matched again is not stored", publishRematchFails},
	{"an event checked against another registry is refused", publishStaleTypes},
	{"an event of a deleted tenant is refused", publishToDeleted},
	{"a key is unique in its tenant, and its receipt has the counts", publishKeys},
	{"a key of a tenant and a key of a subscription are independent", publishKeysApart},
	{"a refused event leaves its key unused", publishKeyAfterRefusal},
	{"an event's tenant, attempts and due time are those it was published with", publishSettings},
	{"published and ingested events share a commit", publishMixed},
	{"an ingested event belongs to a tenant as well", ingestOfTenants},
	{"a key expires with the events of its time", publishKeysExpire},
}

// publish returns an offer of an event published to the tenant of these subscriptions, matched
// at the tenant's present version.
func (r rig) publish(tenant string, subscriptions []event.ID, edits ...func(*event.Acceptance)) event.Acceptance {
	r.t.Helper()
	t := r.tenant(tenant)
	a := r.fan(subscriptions)
	a.Event.TenantNo = t.No
	a.Published, a.TenantVersion = true, t.Version
	_, now, err := r.s.EventTypesSince(r.t.Context(), 1<<40)
	r.must("read the version of the registry", err)
	a.TypesVersion = now
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func attributes(a event.Attributes) func(*event.Acceptance) {
	return func(acceptance *event.Acceptance) { acceptance.Event.Attributes = &a }
}

// members creates n subscriptions of a tenant.
func (r rig) members(tenant string, n int) []event.ID {
	r.t.Helper()
	ids := make([]event.ID, n)
	for i := range ids {
		ids[i] = r.subscribe(in(tenant)).ID
	}
	return ids
}

func (r rig) claimAll() map[event.ID]event.Claimed {
	r.t.Helper()
	all := map[event.ID]event.Claimed{}
	for _, c := range r.claim().Deliveries {
		all[c.Delivery.ID] = c
	}
	return all
}

func publishRoundTrip(r rig) {
	for _, n := range []int{1, 2, 5} {
		a := r.publish("acme", r.members("acme", n), attributes(event.Attributes{
			Channels: []string{"eu", "\u00e9"}, Metadata: map[string]string{"order": "8814", "k\"": "v\n"},
		}))
		a.Deliveries[0].LeaseOwner, a.Deliveries[0].LeasedUntil = "node-a", r.now.Add(time.Minute)
		r.acceptOffer(a)
		for _, d := range a.Deliveries {
			same(r.t, "report", r.delivery(d.ID), event.DeliveryReport{Delivery: d, EventType: a.Event.Type})
		}
		claimed := r.claimAll()
		if len(claimed) != n-1 {
			r.t.Fatalf("claimed %d deliveries, want the %d that are not leased", len(claimed), n-1)
		}
		for _, c := range claimed {
			if c.Event.TenantNo != a.Event.TenantNo || string(c.Event.Payload) != string(a.Event.Payload) {
				r.t.Errorf("claimed %+v", c.Event)
			}
			r.record(settle(c.Delivery, r.tick(), success()))
		}
		r.record(settle(a.Deliveries[0], r.tick(), success()))
		r.members("acme", 1)
	}
	r.sound()
}

func publishNone(r rig) {
	r.members("acme", 1)
	for range 3 {
		r.acceptOffer(r.publish("acme", nil))
	}
	r.counted(nil)
	r.sound()
}

func publishRefused(r rig) {
	subs := r.members("acme", 3)
	a := r.publish("acme", subs, key("key-1", 1))
	a.Deliveries[1].Status, a.Deliveries[1].SettledAt = event.Failed, a.Deliveries[1].CreatedAt
	r.acceptOffer(a)
	if got := a.Receipt(); got.Made != 3 || got.Refused != 1 {
		r.t.Fatalf("the receipt counts %d and %d", got.Made, got.Refused)
	}
	sameDelivery(r.t, r.delivery(a.Deliveries[1].ID).Delivery, a.Deliveries[1])
	r.counted(map[event.Status]int{event.Pending: 2, event.Failed: 1})
	if claimed := r.claimAll(); len(claimed) != 2 {
		r.t.Errorf("claimed %d deliveries, want the 2 that are pending", len(claimed))
	}
	r.sound()

	alone := r.publish("acme", subs[:1])
	alone.Deliveries[0].Status, alone.Deliveries[0].SettledAt = event.Failed, alone.Deliveries[0].CreatedAt
	r.acceptOffer(alone)
	sameDelivery(r.t, r.delivery(alone.Deliveries[0].ID).Delivery, alone.Deliveries[0])
	r.sound()
}

// left checks that nothing of an offer was stored.
func (r rig) left(a event.Acceptance) {
	r.t.Helper()
	for _, d := range a.Deliveries {
		_, err := r.s.Delivery(r.t.Context(), d.ID)
		r.mustFail("read a delivery that was not stored", err, event.ErrNotFound)
	}
}

func publishStale(r rig) {
	subs := r.members("acme", 2)
	for what, change := range map[string]func(){
		"a new subscription": func() { r.members("acme", 1) },
		"a pause":            func() { r.pause(subs[0], "support", "") },
		"a deletion":         func() { r.delete(subs[1]) },
	} {
		a := r.publish("acme", subs[:1], key("key-"+what, 1))
		change()
		_, err := r.s.Accept(r.t.Context(), a)
		r.mustFail("accept an event after "+what, err, event.ErrStale)
		r.left(a)
		for _, edit := range []func(*event.Acceptance){func(a *event.Acceptance) { a.TenantVersion++ }, func(a *event.Acceptance) { a.TenantVersion = 0 }} {
			other := r.publish("acme", subs[:1], edit)
			_, err := r.s.Accept(r.t.Context(), other)
			r.mustFail("accept an event with a wrong version", err, event.ErrStale)
		}
	}
	r.members("other", 1)
	a := r.publish("acme", subs[:1])
	r.members("other", 1)
	r.acceptOffer(a)
	r.counted(map[event.Status]int{event.Pending: 1})
	r.sound()
}

func publishRematched(r rig) {
	subs := r.members("acme", 2)
	a := r.publish("acme", subs)
	since := a.TenantVersion
	added := r.members("acme", 1)[0]
	r.delete(subs[0])
	now := r.fan([]event.ID{subs[1], added})
	for i := range now.Deliveries {
		now.Deliveries[i].EventID = a.Event.ID
		now.Deliveries[i].ID = event.DeliveryID(a.Event.ID, now.Deliveries[i].SubscriptionID)
	}
	calls := 0
	a.Rematch = func(c event.TenantChanges) ([]event.Delivery, error) {
		calls++
		same(r.t, "changes", changedIDs(c), []event.ID{added, subs[0]})
		if c.To != c.Tenant.Version || c.To <= since {
			r.t.Errorf("changes from %d to %d of a tenant at version %d", since, c.To, c.Tenant.Version)
		}
		return now.Deliveries, nil
	}
	receipt, err := r.s.Accept(r.t.Context(), a)
	r.must("accept an event", err)
	if calls == 0 {
		r.t.Fatal("the event was not matched again")
	}
	same(r.t, "receipt", receipt, event.Receipt{Event: a.Event.ID, Deliveries: now.Receipt().Deliveries, Made: 2})
	for _, d := range now.Deliveries {
		same(r.t, "delivery", r.delivery(d.ID).Delivery, d)
	}
	r.counted(map[event.Status]int{event.Pending: 2})
	r.sound()

	current := r.publish("acme", []event.ID{added})
	current.Rematch = func(event.TenantChanges) ([]event.Delivery, error) {
		r.t.Error("an event with the present version was matched again")
		return nil, nil
	}
	r.acceptOffer(current)
}

func publishRematchFails(r rig) {
	subs := r.members("acme", 1)
	a := r.publish("acme", subs)
	r.members("acme", 1)
	a.Rematch = func(event.TenantChanges) ([]event.Delivery, error) {
		return nil, fmt.Errorf("%w: no", event.ErrBacklog)
	}
	_, err := r.s.Accept(r.t.Context(), a)
	r.mustFail("accept an event that can't be matched", err, event.ErrBacklog)
	r.left(a)
	r.sound()
}

func publishStaleTypes(r rig) {
	subs := r.members("acme", 1)
	a := r.publish("acme", subs)
	r.putEventType(r.newEventType("a"))
	_, err := r.s.Accept(r.t.Context(), a)
	r.mustFail("accept an event after a change of the registry", err, event.ErrStale)
	a.Rematch = func(event.TenantChanges) ([]event.Delivery, error) { return a.Deliveries, nil }
	_, err = r.s.Accept(r.t.Context(), a)
	r.mustFail("match it again, which does not check its type", err, event.ErrStale)
	r.left(a)
	r.acceptOffer(r.publish("acme", subs))
	r.accept(subs[0]) // ingest names no version
}

func publishToDeleted(r rig) {
	subs := r.members("acme", 1)
	a := r.publish("acme", subs)
	r.must("delete a tenant", r.s.DeleteTenant(r.t.Context(), "acme", r.tick()))
	for _, rematch := range []func(event.TenantChanges) ([]event.Delivery, error){nil, func(event.TenantChanges) ([]event.Delivery, error) { return nil, nil }} {
		a.Rematch = rematch
		if _, err := r.s.Accept(r.t.Context(), a); err == nil {
			r.t.Error("an event of a deleted tenant was accepted")
		}
	}
	r.left(a)
	r.counted(nil)
}

func publishKeys(r rig) {
	subs := r.members("acme", 3)
	for n, deliveries := range [][]event.ID{nil, subs[:1], subs} {
		name := fmt.Sprintf("key-%d", n)
		first := r.publish("acme", deliveries, key(name, 1))
		r.acceptOffer(first)
		want := event.Receipt{Event: first.Event.ID, Replayed: true, Made: n}
		if n == 2 {
			want.Made = 3
		}
		r.members("acme", 1) // a replay is a replay whatever matches now
		for range 2 {
			again := r.publish("acme", deliveries, key(name, 1))
			got, err := r.s.Accept(r.t.Context(), again)
			r.must("accept a replay", err)
			got.Deliveries = nil // they may be there or not
			same(r.t, "receipt of a replay", got, want)
			r.left(again)
		}
		stale := r.publish("acme", deliveries, key(name, 1), func(a *event.Acceptance) { a.TenantVersion-- })
		got, err := r.s.Accept(r.t.Context(), stale)
		r.must("accept a replay that was matched at another version", err)
		got.Deliveries = nil
		same(r.t, "receipt of a stale replay", got, want)
		other := r.publish("acme", deliveries, key(name, 2))
		_, err = r.s.Accept(r.t.Context(), other)
		r.mustFail("accept another body under the same key", err, event.ErrKeyReused)
		r.left(other)
	}
	r.counted(map[event.Status]int{event.Pending: 4})
	r.sound()
}

func publishKeysApart(r rig) {
	a, b := r.members("a", 1), r.members("b", 1)
	plain := r.subscribe()
	r.acceptOffer(r.publish("a", a, key("key-1", 1)))
	r.acceptOffer(r.publish("b", b, key("key-1", 2)))
	r.acceptOffer(r.publish(event.DefaultTenant, []event.ID{plain.ID}, key("key-1", 3)))
	r.accept(a[0], key("key-1", 4))
	r.accept(plain.ID, key("key-1", 5))
	r.counted(map[event.Status]int{event.Pending: 5})
}

func publishKeyAfterRefusal(r rig) {
	subs := r.members("acme", 1)
	stale := r.publish("acme", subs, key("key-1", 1), func(a *event.Acceptance) { a.TenantVersion++ })
	_, err := r.s.Accept(r.t.Context(), stale)
	r.mustFail("accept a stale event", err, event.ErrStale)
	r.acceptOffer(r.publish("acme", subs, key("key-1", 2)))
}

func publishSettings(r rig) {
	subs := r.members("acme", 1)
	at := r.now.Add(time.Hour)
	a := r.publish("acme", subs, due(at), attributes(event.Attributes{DeliverAt: at}), func(a *event.Acceptance) { a.Event.SingleAttempt = true })
	r.acceptOffer(a)
	if claimed := r.claimAll(); len(claimed) != 0 {
		r.t.Errorf("claimed %d deliveries before their time", len(claimed))
	}
	c := r.claim(asOf(at.Add(time.Second))).Deliveries
	if len(c) != 1 {
		r.t.Fatalf("claimed %d deliveries, want the one that is due", len(c))
	}
	if !c[0].Event.SingleAttempt || c[0].Event.TenantNo != a.Event.TenantNo {
		r.t.Errorf("claimed %+v", c[0].Event)
	}
	plain := r.accept(subs[0])
	for id, c := range r.claimAll() {
		if id == plain.Deliveries[0].ID && c.Event.SingleAttempt {
			r.t.Error("an ingested event has one attempt only")
		}
	}
}

func publishMixed(r rig) {
	subs := r.members("acme", 5)
	plain := r.subscriptions(2)
	var offers []event.Acceptance
	want := 0
	for i := range 60 {
		switch i % 3 {
		case 0:
			offers = append(offers, r.publish("acme", subs[:i%5], key(fmt.Sprintf("key-%d", i), 1)))
			want += i % 5
		case 1:
			offers = append(offers, r.fan(plain[:1]))
			want++
		case 2:
			offers = append(offers, r.publish("acme", subs[:i%5]))
			want += i % 5
		}
	}
	r.acceptAll(offers)
	r.counted(map[event.Status]int{event.Pending: want})
	r.sound()
}

func publishKeysExpire(r rig) {
	subs := r.members("acme", 1)
	r.acceptOffer(r.publish("acme", subs, key("key-1", 1)))
	r.acceptOffer(r.publish("acme", nil, key("key-2", 1)))
	for _, c := range r.claimAll() {
		r.record(settle(c.Delivery, r.tick(), success()))
	}
	for r.expire(10, 100) > 0 {
	}
	r.acceptOffer(r.publish("acme", subs, key("key-1", 2)))
	r.acceptOffer(r.publish("acme", nil, key("key-2", 2)))
}

func ingestOfTenants(r rig) {
	theirs, plain := r.members("acme", 1)[0], r.subscribe().ID
	no := r.tenant("acme").No
	want := map[event.ID]int64{}
	var offers []event.Acceptance
	for i := range 40 {
		a := r.offer([]event.ID{theirs, plain}[i%2])
		a.Event.TenantNo = []int64{no, event.DefaultTenantNo}[i%2]
		want[a.Deliveries[0].ID] = a.Event.TenantNo
		offers = append(offers, a)
	}
	r.acceptAll(offers)
	got := map[event.ID]int64{}
	for id, c := range r.claimAll() {
		got[id] = c.Event.TenantNo
	}
	same(r.t, "tenants of the claimed events", got, want)
}
