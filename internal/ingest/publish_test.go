package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

func wants(types ...string) func(*event.Subscription) {
	return func(s *event.Subscription) { s.EventTypes = types }
}

func filter(text string) func(*event.Subscription) {
	return func(s *event.Subscription) { s.Filter = []byte(text) }
}

// mustPublish publishes an event that must be stored for exactly these subscriptions.
func (w *town) mustPublish(t testing.TB, p *Publisher, pub event.Publication, want ...event.ID) event.Published {
	t.Helper()
	got, err := p.Publish(t.Context(), pub)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	if to := w.to(got.Event); !slices.Equal(to, sorted(want)) || got.Deliveries != len(want) {
		t.Fatalf("published to %v with %d deliveries, want %v", to, got.Deliveries, want)
	}
	return got
}

func TestPublishMatches(t *testing.T) {
	w := newTown("acme", "other")
	all, paid := w.subscribe("acme"), w.subscribe("acme", wants("invoice.*"))
	w.subscribe("acme", wants("order.*"))
	w.subscribe("other")
	large := w.subscribe("acme", filter(`{"data":{"amount":{"$gt":10}}}`))
	w.subscribe("acme", filter(`{"data":{"amount":{"$gt":100}}}`))
	w.subscribe("acme", func(s *event.Subscription) { s.Active = false })
	paused := w.subscribe("acme", func(s *event.Subscription) { s.PausedAt = w.now })
	channel := w.subscribe("acme", func(s *event.Subscription) { s.Channels = []string{"eu", "us"} })
	tagged := w.subscribe("acme", filter(`{"metadata":{"order":"8814"},"tenant":"acme"}`))
	p := w.publisher(t)
	w.mustPublish(t, p, publication(), all, paid, large, paused)
	w.mustPublish(t, p, publication(func(p *event.Publication) {
		p.Channels, p.Metadata = []string{"eu"}, map[string]string{"order": "8814"}
	}), all, paid, large, paused, channel, tagged)
	w.mustPublish(t, p, publication(func(p *event.Publication) { p.Type, p.Data = "x", []byte("null") }), all, paused)
	w.isEven(t, "matches")
}

// A subscription with a filter that this release can't compile must not keep others from their
// events, and must say why it gets none.
func TestPublishWithBrokenFilter(t *testing.T) {
	w := newTown("acme")
	broken := w.subscribe("acme", filter(`{"data":{"$later":1}}`))
	fine := w.subscribe("acme")
	p := w.publisher(t)
	w.mustPublish(t, p, publication(), fine)
	list, _, err := p.Match(t.Context(), publication(), event.ID{}, 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("the match is %+v (%v)", list, err)
	}
	for _, m := range list {
		if isBroken := m.Subscription == broken; m.Matched == isBroken || isBroken && (m.Rule != "filter" || !strings.Contains(m.Reason, "$later")) {
			t.Errorf("the match is %+v, want the broken filter's reason", m)
		}
	}
}

func TestWhatIsPublished(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	data := "{\"b\":1, \"a\":[1e400, \"\\u0000\\ud800\\/\"],\n \"a\":2}"
	got := w.mustPublish(t, p, publication(func(p *event.Publication) {
		p.Data, p.Metadata, p.SingleAttempt, p.IdempotencyKey = []byte(data), map[string]string{"k": "v"}, true, "key-1"
		p.Channels = []string{"eu"}
	}), sub)
	a := w.stored[got.Event]
	want := event.Acceptance{
		Event: event.Event{
			ID: got.Event, Type: "invoice.paid", ContentType: "application/json", Payload: []byte(`{"event":"invoice.paid","data":` + data + `}`),
			CreatedAt: w.now, TenantNo: a.Event.TenantNo, SingleAttempt: true, DataAt: 31, DataLen: len(data),
			Attributes: &event.Attributes{Channels: []string{"eu"}, Metadata: map[string]string{"k": "v"}},
		},
		Deliveries: []event.Delivery{{
			ID: event.DeliveryID(got.Event, sub), EventID: got.Event, SubscriptionID: sub, DueAt: w.now, CreatedAt: w.now,
			LeaseOwner: "node-a", LeasedUntil: w.now.Add(time.Minute),
		}},
		IdempotencyKey: "key-1", BodyHash: a.BodyHash, Published: true, TenantVersion: 2, TypesVersion: 1,
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("stored (- wanted, + found):\n%s", diff)
	}
	if string(a.Event.Data()) != data {
		t.Errorf("the data is %q", a.Event.Data())
	}
	if diff := cmp.Diff([]event.Claimed{{Delivery: want.Deliveries[0], Event: want.Event}}, w.handed); diff != "" {
		t.Errorf("handed over (- wanted, + found):\n%s", diff)
	}
	plain := w.mustPublish(t, p, publication(), sub)
	if a := w.stored[plain.Event]; a.Event.Attributes != nil || a.BodyHash != [32]byte{} {
		t.Errorf("an event with nothing but data has %+v and the hash %x", a.Event.Attributes, a.BodyHash)
	}
}

// An event without a match is stored too: it is 202 either way.
func TestPublishToNobody(t *testing.T) {
	w := newTown("acme")
	got := w.mustPublish(t, w.publisher(t), publication())
	if got.Tenant != "acme" || w.stored[got.Event].Event.ID != got.Event {
		t.Errorf("got %+v", got)
	}
	w.isEven(t, "nobody")
}

func TestPublishRefuses(t *testing.T) {
	w := newTown("acme")
	w.subscribe("acme")
	for _, c := range []struct {
		why   string
		edit  func(*event.Publication)
		field string // "" means that the error is no InvalidError
		err   error
	}{
		{"no such tenant", func(p *event.Publication) { p.Tenant = "acmee" }, "", event.ErrTenantNotFound},
		{"the default tenant, which does not exist here", func(p *event.Publication) { p.Tenant = "" }, "", event.ErrTenantNotFound},
		{"not an id of a tenant", func(p *event.Publication) { p.Tenant = "a/b" }, "tenant", nil},
		{"not a type", func(p *event.Publication) { p.Type = `a"b` }, "event", nil},
		{"no type", func(p *event.Publication) { p.Type = "" }, "event", nil},
		{"no data", func(p *event.Publication) { p.Data = nil }, "data", nil},
		{"data is two values", func(p *event.Publication) { p.Data = []byte("1 2") }, "", event.ErrMalformed},
		{"data ends the envelope", func(p *event.Publication) { p.Data = []byte(`1},"x":{}`) }, "", event.ErrMalformed},
		{"data is not UTF-8", func(p *event.Publication) { p.Data = []byte("\"\xff\"") }, "", event.ErrMalformed},
		{"a channel with a space", func(p *event.Publication) { p.Channels = []string{"eu", "e u"} }, "channels[1]", nil},
		{"too many channels", func(p *event.Publication) { p.Channels = make([]string, 11) }, "channels", nil},
		{"too much metadata", func(p *event.Publication) { p.Metadata = map[string]string{"a": strings.Repeat("x", 5000)} }, "metadata.a", nil},
		{"long ago", func(p *event.Publication) { p.DeliverAt = w.now.Add(-61 * time.Second) }, "deliver_at", nil},
		{"beyond the retention", func(p *event.Publication) { p.DeliverAt = w.now.Add(72*time.Hour + time.Second) }, "deliver_at", nil},
		{"no such subscription", func(p *event.Publication) { p.Subscription = event.ID{1} }, "subscription_id", nil},
	} {
		_, err := w.publisher(t).Publish(t.Context(), publication(c.edit))
		var invalid *event.InvalidError
		switch {
		case c.field == "" && !errors.Is(err, c.err):
			t.Errorf("%s: %v, want %v", c.why, err, c.err)
		case c.field != "" && (!errors.As(err, &invalid) || invalid.Fields[0].Field != c.field):
			t.Errorf("%s: %v, want one about %s", c.why, err, c.field)
		}
		if !errors.Is(event.ErrTenantNotFound, event.ErrNotFound) || len(w.stored) > 0 {
			t.Fatalf("%s: stored %d events", c.why, len(w.stored))
		}
	}
	w.isEven(t, "refused")
}

func TestPublishDelayed(t *testing.T) {
	w := newTown("acme")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	for _, c := range []struct {
		after   time.Duration
		delayed bool
	}{{-time.Minute, false}, {0, false}, {time.Millisecond, true}, {72 * time.Hour, true}} {
		at := w.now.Add(c.after)
		got := w.mustPublish(t, p, publication(func(p *event.Publication) { p.DeliverAt = at }), sub)
		a := w.stored[got.Event]
		due := w.now
		if c.delayed {
			due = at
		}
		if d := a.Deliveries[0]; !d.DueAt.Equal(due) || (d.LeaseOwner == "") != c.delayed || !a.Event.Attributes.DeliverAt.Equal(at) {
			t.Errorf("deliver_at %v from now: %+v with %+v", c.after, d, a.Event.Attributes)
		}
	}
	if w.waited != 2 {
		t.Errorf("%d reservations, want those of the two that are due", w.waited)
	}
	w.isEven(t, "delayed")
}

// One delivery waits for capacity; several take what is free.
func TestPublishReserves(t *testing.T) {
	w := newTown("acme")
	a := w.subscribe("acme")
	p := w.publisher(t)
	w.mustPublish(t, p, publication(), a)
	if w.waited != 1 || len(w.handed) != 1 {
		t.Errorf("one delivery: %d reservations waited, %d handed over", w.waited, len(w.handed))
	}
	b, c := w.subscribe("acme"), w.subscribe("acme")
	w.full[b] = true
	p = w.publisher(t) // one that knows all three
	w.mustPublish(t, p, publication(), a, b, c)
	if w.waited != 1 || len(w.handed) != 3 || !slices.Equal(w.overflow, []event.ID{b}) {
		t.Errorf("three deliveries: %d reservations waited, %d handed over, %v reported as due", w.waited, len(w.handed), w.overflow)
	}
	w.fail = event.ErrUnavailable
	if _, err := p.Publish(t.Context(), publication()); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("the store is unavailable: %v", err)
	}
	w.isEven(t, "reserves")
}

// More deliveries than a lane holds take no more than that of the node's memory.
func TestPublishToMany(t *testing.T) {
	w := newTown("acme")
	var all []event.ID
	for range 1200 {
		all = append(all, w.subscribe("acme"))
	}
	p := w.publisher(t)
	w.mustPublish(t, p, publication(), all...)
	if len(w.handed) != manyDeliveries || len(p.many) != 0 {
		t.Errorf("%d handed over, %d of several held", len(w.handed), len(p.many))
	}
	w.isEven(t, "many")
}

// Another publication with many deliveries waits, and one with few does not.
func TestManyOneAtATime(t *testing.T) {
	w := newTown("acme", "small")
	for range manyDeliveries + 1 {
		w.subscribe("acme")
	}
	w.subscribe("small")
	p := w.publisher(t)
	inside, proceed := make(chan struct{}, 10), make(chan struct{})
	w.accepting = func() { inside <- struct{}{}; <-proceed }
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := p.Publish(t.Context(), publication()); err != nil {
				t.Error(err)
			}
		})
	}
	<-inside
	all.Go(func() {
		if _, err := p.Publish(t.Context(), publication(func(p *event.Publication) { p.Tenant = "small" })); err != nil {
			t.Error(err)
		}
	})
	<-inside // the one with few
	if len(inside) > 0 {
		t.Error("a second publication with many deliveries is in the store")
	}
	close(proceed)
	all.Wait()
	w.isEven(t, "one at a time")
}

func TestPublishBacklog(t *testing.T) {
	w := newTown("acme")
	full, fine := w.subscribe("acme"), w.subscribe("acme")
	q := &queue{now: event.Waiting{Total: 30, Many: map[event.ID]int{full: 25}}}
	b := &Backlog{Store: q, Most: 100, MostOfOne: 20, Log: slog.New(slog.DiscardHandler)}
	p := w.publisher(t, func(o *PublisherOptions) { o.Backlog = b })
	b.Count(t.Context())
	got := w.mustPublish(t, p, publication(), full, fine)
	if got.Refused != 1 {
		t.Errorf("got %+v, want one refused", got)
	}
	for _, d := range w.stored[got.Event].Deliveries {
		if isFull := d.SubscriptionID == full; (d.Status == event.Failed) != isFull || d.SettledAt.IsZero() == isFull || (d.LeaseOwner == "") != isFull {
			t.Errorf("stored %+v", d)
		}
	}
	q.returns(event.Waiting{Total: 100}, 0, nil)
	b.Count(t.Context())
	if _, err := p.Publish(t.Context(), publication()); !errors.Is(err, event.ErrBacklog) {
		t.Errorf("the whole backlog is full: %v", err)
	}
	w.isEven(t, "backlog")
}

func TestPublishRate(t *testing.T) {
	w := newTown("acme", "other")
	w.limit("acme", event.TenantLimits{PublishPerSecond: 2})
	p := w.publisher(t)
	try := func(tenant string) error {
		_, err := p.Publish(t.Context(), publication(func(p *event.Publication) { p.Tenant = tenant }))
		return err
	}
	for i, want := range []error{nil, nil, event.ErrRateLimited, event.ErrRateLimited} {
		if err := try("acme"); !errors.Is(err, want) {
			t.Errorf("event %d: %v, want %v", i, err, want)
		}
		if err := try("other"); err != nil {
			t.Errorf("another tenant's: %v", err)
		}
	}
	w.pass(500 * time.Millisecond)
	if err := try("acme"); err != nil {
		t.Errorf("after half a second: %v", err)
	}
	w.limit("acme", event.TenantLimits{PublishPerSecond: 1000})
	w.pass(limitsLast)
	for i := range 900 {
		if err := try("acme"); err != nil {
			t.Fatalf("event %d with a higher limit: %v", i, err)
		}
	}
	if !errors.Is(event.ErrRateLimited, event.ErrTenantLimit) {
		t.Error("ErrRateLimited is no ErrTenantLimit")
	}
}

func TestBucket(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		rate  float64
		every time.Duration
		n     int
		want  int // taken
	}{
		{10, 0, 100, 10},
		{10, 100 * time.Millisecond, 100, 100},
		{10, 50 * time.Millisecond, 100, 59},
		{0.5, time.Second, 10, 5},
		{0.001, time.Second, 100, 1},
		{1e6, 0, 1000, 1000},
		{10, -time.Second, 100, 10}, // the clock goes back
	} {
		var b bucket
		got := 0
		for i := range c.n {
			if b.take(at.Add(time.Duration(i)*c.every), c.rate) {
				got++
			}
		}
		if got < c.want-1 || got > c.want+1 {
			t.Errorf("%v a second, one every %v: %d of %d, want %d", c.rate, c.every, got, c.n, c.want)
		}
	}
}

func TestPublishKeys(t *testing.T) {
	w := newTown("acme", "other")
	sub := w.subscribe("acme")
	p := w.publisher(t)
	keyed := func(edits ...func(*event.Publication)) event.Publication {
		pub := publication(edits...)
		pub.IdempotencyKey = "order-1"
		return pub
	}
	first := w.mustPublish(t, p, keyed(), sub)
	w.subscribe("acme") // a duplicate is one whatever matches now
	for range 2 {
		got, err := p.Publish(t.Context(), keyed())
		want := event.Published{Event: first.Event, Tenant: "acme", Deliveries: 1, Duplicate: true}
		if err != nil || got != want {
			t.Errorf("again: %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := p.Publish(t.Context(), keyed(func(p *event.Publication) { p.Data = []byte(`{"amount": 12}`) })); !errors.Is(err, event.ErrKeyReused) {
		t.Errorf("other data: %v", err)
	}
	if got, err := p.Publish(t.Context(), keyed(func(p *event.Publication) { p.Tenant = "other" })); err != nil || got.Duplicate {
		t.Errorf("another tenant's: %+v, %v", got, err)
	}
	w.isEven(t, "keys")
}

func TestPublishToOne(t *testing.T) {
	w := newTown("acme", "other")
	a, b := w.subscribe("acme"), w.subscribe("acme", wants("order.*"))
	foreign := w.subscribe("other")
	p := w.publisher(t)
	only := func(id event.ID) event.Publication {
		return publication(func(p *event.Publication) { p.Subscription = id })
	}
	got := w.mustPublish(t, p, only(a), a)
	if w.stored[got.Event].Event.Attributes.Only != a {
		t.Error("the event does not know that it was for one")
	}
	w.mustPublish(t, p, only(b)) // rules apply
	c := w.subscribe("acme")     // the index does not know it yet
	w.mustPublish(t, p, only(c), c)
	w.unsubscribe("acme", a)
	for why, id := range map[string]event.ID{"deleted": a, "another tenant's": foreign, "unknown": {7}} {
		var invalid *event.InvalidError
		if _, err := p.Publish(t.Context(), only(id)); !errors.As(err, &invalid) || invalid.Fields[0].Field != "subscription_id" {
			t.Errorf("%s: %v", why, err)
		}
	}
	w.isEven(t, "one")
}

// A golden vector: the form must never change.
func TestBodyHash(t *testing.T) {
	pub := event.Publication{
		Tenant: "acme", Type: "invoice.paid", Data: []byte(`{"amount":12}`), Channels: []string{"eu", "us"},
		Metadata: map[string]string{"order": "8814", "a": ""}, DeliverAt: time.Date(2027, 1, 5, 8, 0, 0, 123456000, time.UTC),
		Subscription: event.ID{1, 2, 3}, SingleAttempt: true, IdempotencyKey: "not part of it",
	}
	const golden, least = "6912e06ae57b0e58a3e400a4963c8d632ed83cdd3842e7c9aba79be38d1bb4a9", "cef0a59a09e146f882d2cbdc81d26c5b8414ca6988bb512aa7bbe94778a5e33e"
	if got := fmt.Sprintf("%x", bodyHash(&pub)); got != golden {
		t.Errorf("the hash is %s, want %s", got, golden)
	}
	if got := fmt.Sprintf("%x", bodyHash(&event.Publication{Tenant: "acme", Type: "a", Data: []byte("1")})); got != least {
		t.Errorf("the hash is %s, want %s", got, least)
	}
	same := pub
	same.IdempotencyKey, same.DeliverAt = "x", pub.DeliverAt.In(time.FixedZone("", 3600))
	if bodyHash(&same) != bodyHash(&pub) {
		t.Error("the time zone makes a difference")
	}
	for why, edit := range map[string]func(*event.Publication){
		"tenant":                func(p *event.Publication) { p.Tenant = "acm" },
		"event":                 func(p *event.Publication) { p.Type = "invoice.pai" },
		"data":                  func(p *event.Publication) { p.Data = []byte(`{"amount": 12}`) },
		"a channel less":        func(p *event.Publication) { p.Channels = p.Channels[:1] },
		"channels run together": func(p *event.Publication) { p.Channels = []string{"euus"} },
		"other order":           func(p *event.Publication) { p.Channels = []string{"us", "eu"} },
		"metadata":              func(p *event.Publication) { p.Metadata = map[string]string{"order": "8814"} },
		"names and values":      func(p *event.Publication) { p.Metadata = map[string]string{"order8814": "", "a": ""} },
		"deliver_at":            func(p *event.Publication) { p.DeliverAt = p.DeliverAt.Add(time.Microsecond) },
		"no deliver_at":         func(p *event.Publication) { p.DeliverAt = time.Time{} },
		"subscription":          func(p *event.Publication) { p.Subscription = event.ID{} },
		"retry":                 func(p *event.Publication) { p.SingleAttempt = false },
	} {
		other := pub
		edit(&other)
		if bodyHash(&other) == bodyHash(&pub) {
			t.Errorf("%s makes no difference", why)
		}
	}
}

func TestMatchSaysWhy(t *testing.T) {
	w := newTown("acme")
	want := []event.Match{
		{Subscription: w.subscribe("acme"), Matched: true},
		{Subscription: w.subscribe("acme", func(s *event.Subscription) { s.Active, s.DisabledReason = false, "410 Gone" }), Rule: "active", Reason: "the subscription is disabled: 410 Gone"},
		{Subscription: w.subscribe("acme", wants("order.*")), Rule: "event_types", Reason: `the event's type is "invoice.paid"; the subscription wants "order.*"`},
		{Subscription: w.subscribe("acme", func(s *event.Subscription) { s.Channels = []string{"eu"} }), Rule: "channels", Reason: `the event has no channels; the subscription wants "eu"`},
		{Subscription: w.subscribe("acme", filter(`{"data":{"amount":13}}`)), Rule: "filter", Reason: `data.amount is 12; the filter wants 13 (filter/data/amount)`},
		{Subscription: w.subscribe("acme", func(s *event.Subscription) { s.PausedAt = w.now }), Matched: true, Reason: "the subscription is paused, so its delivery waits"},
	}
	slices.SortFunc(want, func(a, b event.Match) int { return slices.Compare(a.Subscription[:], b.Subscription[:]) })
	p := w.publisher(t)
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []event.Match
		after := event.ID{}
		for more := true; more; {
			page, hasMore, err := p.Match(t.Context(), publication(), after, limit)
			if err != nil || len(page) > limit || hasMore && len(page) < limit {
				t.Fatalf("a page of %d has %d, %v", limit, len(page), err)
			}
			got, more = append(got, page...), hasMore
			if more {
				after = page[len(page)-1].Subscription
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in pages of %d (- wanted, + found):\n%s", limit, diff)
		}
	}
	if w.accepts > 0 {
		t.Error("something was stored")
	}
	created := w.subscribe("acme") // what exists before the call is in the result
	list, _, err := p.Match(t.Context(), publication(func(p *event.Publication) { p.Subscription = created }), event.ID{}, 10)
	if err != nil || !cmp.Equal(list, []event.Match{{Subscription: created, Matched: true}}) {
		t.Errorf("narrowed to a new one: %+v, %v", list, err)
	}
	for why, edit := range map[string]func(*event.Publication){
		"an unknown tenant":       func(p *event.Publication) { p.Tenant = "nobody" },
		"an unknown subscription": func(p *event.Publication) { p.Subscription = event.ID{9} },
		"an invalid type":         func(p *event.Publication) { p.Type = "" },
	} {
		if _, _, err := p.Match(t.Context(), publication(edit), event.ID{}, 10); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
}
