package storetest

import (
	"bytes"
	"crypto/rand"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var intakeCases = []testCase{
	{"an accepted event is in the history at once", acceptedIsVisible},
	{"an event stored as due can be claimed", acceptedIsDue},
	{"an event stored as leased can't be claimed until it is rescued", acceptedIsLeased},
	{"an event stored as leased can be settled by its owner", acceptedLeasedSettles},
	{"payloads come back byte for byte", payloadsExact},
	{"types and content types come back as they were", typesExact},
	{"times come back in UTC", deliveryTimesInUTC},
}

func acceptedIsVisible(r rig) {
	s := r.subscribe()
	for _, edit := range []func(*event.Acceptance){
		due(r.now), due(r.now.Add(time.Hour)), leased("node-a", r.now.Add(time.Minute)),
	} {
		a := r.accept(s.ID, edit)
		same(r.t, "report", r.delivery(a.Deliveries[0].ID), event.DeliveryReport{Delivery: a.Deliveries[0], EventType: a.Event.Type})
	}
	r.counted(map[event.Status]int{event.Pending: 3})
}

func acceptedIsDue(r rig) {
	a := r.accept(r.subscribe().ID)
	got := r.claim()
	want := a.Deliveries[0]
	want.LeaseOwner, want.LeasedUntil = "node-a", r.now.Add(time.Minute)
	same(r.t, "claim", got, event.Claim{Deliveries: []event.Claimed{{Delivery: want, Event: a.Event}}})
	same(r.t, "delivery as stored", r.delivery(want.ID).Delivery, want)
}

func acceptedIsLeased(r rig) {
	end := r.now.Add(time.Minute)
	a := r.accept(r.subscribe().ID, leased("node-b", end))
	for _, now := range []time.Time{r.now, end.Add(-time.Microsecond), end.Add(time.Hour)} {
		if got := r.claim(asOf(now)); len(got.Deliveries) != 0 {
			r.t.Fatalf("claimed %v after it was stored, although its lease was not ended", now.Sub(r.now))
		}
	}
	r.rescued(end.Add(time.Second), 1)
	if got := r.claimOne(asOf(end.Add(time.Second))); got.ID != a.Deliveries[0].ID || got.Attempts != 0 {
		r.t.Errorf("claimed %v with %d attempts, want %v with none", got.ID, got.Attempts, a.Deliveries[0].ID)
	}
}

func acceptedLeasedSettles(r rig) {
	a := r.accept(r.subscribe().ID, leased("node-b", r.now.Add(time.Minute)))
	done := settle(a.Deliveries[0], r.tick(), success())
	r.record(done)
	got := r.delivery(a.Deliveries[0].ID)
	sameDelivery(r.t, got.Delivery, done.Delivery)
	same(r.t, "attempts", got.Attempts, []event.Attempt{done.Attempt})
}

func payloadsExact(r rig) {
	random := make([]byte, 1<<20)
	rand.Read(random)
	s := r.subscribe()
	for _, tt := range []struct {
		reason  string
		payload []byte
	}{
		{"nothing at all", []byte{}},
		{"one NUL byte", []byte{0}},
		{"NUL bytes within and at the end", []byte("a\x00b\x00")},
		{"an escaped NUL, which jsonb refuses", []byte(`{"event":"a","data":"\u0000"}`)},
		{"a lone surrogate, which jsonb refuses", []byte(`"\ud800"`)},
		{"a number beyond float64, and spaces and an order to preserve", []byte("{ \"b\":1e400 ,\"a\":9007199254740993}\r\n")},
		{"bytes that are not UTF-8", []byte("\xff\xfe\xc3\x28\xed\xa0\x80")},
		{"every byte there is", everyByte()},
		{"1 MiB that can't be compressed", random},
		{"1 MiB that can", bytes.Repeat([]byte("a"), 1<<20)},
	} {
		a := r.accept(s.ID, payload(tt.payload))
		got := r.claim().Deliveries
		if len(got) != 1 || got[0].Delivery.ID != a.Deliveries[0].ID || !bytes.Equal(got[0].Event.Payload, tt.payload) {
			r.t.Errorf("%s: %d bytes did not come back as they were", tt.reason, len(tt.payload))
		}
	}
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func typesExact(r rig) {
	s := r.subscribe()
	for _, eventType := range []string{"a", "User.Created", "a:b/c-d_e.f", strings.Repeat("x", event.MaxEventType)} {
		for _, contentType := range []string{"application/json", "application/json; charset=\"utf-8\"", ""} {
			a := r.accept(s.ID, func(a *event.Acceptance) { a.Event.Type, a.Event.ContentType = eventType, contentType })
			got := r.claim().Deliveries
			if len(got) != 1 {
				r.t.Fatalf("claimed %d deliveries, want 1", len(got))
			}
			same(r.t, "event", got[0].Event, a.Event)
			same(r.t, "event type in the history", r.delivery(a.Deliveries[0].ID).EventType, eventType)
		}
	}
}

func deliveryTimesInUTC(r rig) {
	elsewhere := time.FixedZone("elsewhere", -9*3600)
	a := r.offer(r.subscribe().ID, due(r.now.In(elsewhere)), leased("node-b", r.now.Add(time.Minute).In(elsewhere)))
	_, err := r.s.Accept(r.t.Context(), a)
	r.must("accept", err)
	got := r.delivery(a.Deliveries[0].ID).Delivery
	same(r.t, "delivery", got, a.Deliveries[0])
	inUTC(r.t, map[string]time.Time{
		"DueAt": got.DueAt, "LeasedUntil": got.LeasedUntil, "CreatedAt": got.CreatedAt, "SettledAt": got.SettledAt,
	})

	r.rescued(r.now.Add(2*time.Minute), 1)
	r.accept(r.subscribe().ID, due(r.now.Add(time.Hour)))
	claim := r.claim()
	if len(claim.Deliveries) != 1 {
		r.t.Fatalf("claimed %d deliveries, want 1", len(claim.Deliveries))
	}
	d, e := claim.Deliveries[0].Delivery, claim.Deliveries[0].Event
	inUTC(r.t, map[string]time.Time{
		"claimed DueAt": d.DueAt, "claimed LeasedUntil": d.LeasedUntil, "claimed CreatedAt": d.CreatedAt,
		"the event's CreatedAt": e.CreatedAt, "NextDue": claim.NextDue,
	})
}
