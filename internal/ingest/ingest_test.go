package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// world implements everything that ingest calls, and records the calls.
type world struct {
	sub   event.Subscription
	find  error
	room  bool
	store func(event.Acceptance) (event.Receipt, error)

	now      time.Time
	calls    []string
	accepted event.Acceptance
	handed   event.Claimed
}

func newWorld() *world {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	return &world{
		sub: event.Subscription{ID: event.NewID(now), Active: true}, now: now, room: true,
		store: func(a event.Acceptance) (event.Receipt, error) {
			return a.Receipt(), nil
		},
	}
}

func (w *world) note(format string, args ...any) {
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

func (w *world) Subscription(context.Context, event.ID) (event.Subscription, error) {
	return w.sub, w.find
}

func (w *world) Accept(_ context.Context, a event.Acceptance) (event.Receipt, error) {
	w.note("accept")
	w.accepted = a
	return w.store(a)
}

func (w *world) Reserve(_ context.Context, _ event.Subscription, size int) (event.Lease, bool) {
	w.note("reserve %d", size)
	return event.Lease{Owner: "node-a", Until: w.now.Add(15 * time.Second)}, w.room
}

func (w *world) TryReserve(sub event.Subscription, size int) (event.Lease, bool) {
	return w.Reserve(context.Background(), sub, size)
}

func (w *world) Deliver(c event.Claimed) { w.note("deliver"); w.handed = c }

func (w *world) Cancel(id event.ID, size int) {
	if id != w.sub.ID {
		w.note("of another subscription:")
	}
	w.note("cancel %d", size)
}

func (w *world) Overflow(event.ID) { w.note("overflow") }
func (w *world) Accepted()         { w.note("count it") }
func (w *world) Filtered()         { w.note("count as filtered") }

func (w *world) ingest(body string, edits ...func(*event.Submission)) (event.Submitted, error) {
	s := event.Submission{SubscriptionID: w.sub.ID, Body: []byte(body), ContentType: "application/json", Header: http.Header{}}
	for _, edit := range edits {
		edit(&s)
	}
	in := &Ingest{Subscriptions: w, Store: w, Handoff: w, Observer: w, Now: func() time.Time { return w.now }}
	return in.Ingest(context.Background(), s)
}

const good = `{"event":"user.created","data":1}`

// In every case, exactly one Deliver or Cancel must follow a successful Reserve. Only deliveries
// that are on disk may be handed over and counted.
func TestEveryRoad(t *testing.T) {
	fails := func(err error) func(w *world) {
		return func(w *world) {
			w.store = func(event.Acceptance) (event.Receipt, error) { return event.Receipt{}, err }
		}
	}
	replayed := func(w *world) {
		w.store = func(event.Acceptance) (event.Receipt, error) { return event.Receipt{Replayed: true}, nil }
	}
	full := func(w *world) { w.room = false }
	for _, c := range []struct {
		why   string
		edits []func(w *world)
		body  string
		err   error
		calls string
	}{
		{"there is capacity", nil, good, nil, "reserve 33, accept, deliver, count it"},
		{"no capacity", []func(*world){full}, good, nil, "reserve 33, accept, overflow, count it"},
		{"the store is unavailable", []func(*world){fails(event.ErrUnavailable)}, good, event.ErrUnavailable, "reserve 33, accept, cancel 33"},
		{"the store is unavailable, no capacity", []func(*world){fails(event.ErrUnavailable), full}, good, event.ErrUnavailable, "reserve 33, accept"},
		{"the key was used", []func(*world){fails(event.ErrKeyReused)}, good, event.ErrKeyReused, "reserve 33, accept, cancel 33"},
		{"the call was cancelled", []func(*world){fails(context.Canceled)}, good, context.Canceled, "reserve 33, accept, cancel 33"},
		{"a replay", []func(*world){replayed}, good, nil, "reserve 33, accept, cancel 33"},
		{"a replay, no capacity", []func(*world){replayed, full}, good, nil, "reserve 33, accept"},
		{"not wanted", []func(*world){func(w *world) { w.sub.EventTypes = []string{"order.*"} }}, good, nil, "count as filtered"},
		{"inactive", []func(*world){func(w *world) { w.sub.Active = false }}, good, event.ErrInactive, ""},
		{"deleted", []func(*world){func(w *world) { w.sub.DeletedAt = w.now }}, good, event.ErrNotFound, ""},
		{"deleted and inactive", []func(*world){func(w *world) { w.sub.DeletedAt, w.sub.Active = w.now, false }}, good, event.ErrNotFound, ""},
		{"unknown", []func(*world){func(w *world) { w.find = event.ErrNotFound }}, good, event.ErrNotFound, ""},
		{"subscriptions can't be read", []func(*world){func(w *world) { w.find = event.ErrUnavailable }}, good, event.ErrUnavailable, ""},
		{"malformed", nil, `{"event":`, event.ErrMalformed, ""},
		{"malformed, for an inactive one", []func(*world){func(w *world) { w.sub.Active = false }}, `{`, event.ErrInactive, ""},
	} {
		w := newWorld()
		for _, edit := range c.edits {
			edit(w)
		}
		got, err := w.ingest(c.body)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.why, err, c.err)
		}
		if calls := strings.Join(w.calls, ", "); calls != c.calls {
			t.Errorf("%s: did %q, want %q", c.why, calls, c.calls)
		}
		if err != nil && !cmp.Equal(got, event.Submitted{}) {
			t.Errorf("%s: a result together with an error: %+v", c.why, got)
		}
	}
}

// The delivery that is handed over must be the one that was stored, and its payload must be the
// whole body.
func TestWhatIsStored(t *testing.T) {
	for _, body := range []string{
		good,
		"\n\t{ \"data\" : {\"b\":1,\"a\":[1e400, 10000000000000000000001, \"\\u0000\\ud800\\/\"], \"a\":2} ,\r\n\"event\":\"\\u0061\" } \n",
		`{"event":"a","data":"` + strings.Repeat("ü", 100_000) + `"}`,
	} {
		for _, room := range []bool{true, false} {
			w := newWorld()
			w.room = room
			got, err := w.ingest(body, func(s *event.Submission) { s.ContentType = "application/json; charset=utf-8" })
			if err != nil {
				t.Fatal(err)
			}
			a := w.accepted
			if string(a.Event.Payload) != body {
				t.Errorf("the payload is not the body: %.80q", a.Event.Payload)
			}
			want := event.Acceptance{
				Event: event.Event{ID: got.Receipt.Event, Type: a.Event.Type, ContentType: "application/json; charset=utf-8", Payload: []byte(body), CreatedAt: w.now, DataAt: a.Event.DataAt, DataLen: a.Event.DataLen},
				Deliveries: []event.Delivery{{
					ID: event.DeliveryID(got.Receipt.Event, w.sub.ID), EventID: got.Receipt.Event, SubscriptionID: w.sub.ID, DueAt: w.now, CreatedAt: w.now,
				}},
			}
			if room {
				want.Deliveries[0].LeaseOwner, want.Deliveries[0].LeasedUntil = "node-a", w.now.Add(15*time.Second)
				if diff := cmp.Diff(event.Claimed{Delivery: want.Deliveries[0], Event: want.Event}, w.handed); diff != "" {
					t.Errorf("handed over (- wanted, + found):\n%s", diff)
				}
			}
			if diff := cmp.Diff(want, a); diff != "" {
				t.Errorf("stored (- wanted, + found):\n%s", diff)
			}
			if a.Event.ID == a.Deliveries[0].ID || !a.Event.ID.Time().Equal(w.now.Truncate(time.Millisecond)) {
				t.Errorf("the ids %v and %v are the same, or not of this time", a.Event.ID, a.Deliveries[0].ID)
			}
		}
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		wants []string
		want  bool // filtered
		why   string
	}{
		{nil, false, "no list means all"},
		{[]string{"user.created"}, false, "named"},
		{[]string{"order.paid", "user.*"}, false, "matched"},
		{[]string{"order.paid", "user.updated"}, true, "not named"},
		{[]string{"user.created.*"}, true, "one level too deep"},
	} {
		w := newWorld()
		w.sub.EventTypes = c.wants
		got, err := w.ingest(good)
		if err != nil || got.Filtered != c.want {
			t.Errorf("%v: filtered %v, want %v: %s (%v)", c.wants, got.Filtered, c.want, c.why, err)
		}
		if got.Filtered && (len(got.Receipt.Deliveries) > 0 || !strings.Contains(got.Reason, "user.created") || !strings.Contains(got.Reason, c.wants[0])) {
			t.Errorf("%v: %+v does not name the wanted types and the event's type", c.wants, got)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld()
	w.ingest(good)
	if w.accepted.IdempotencyKey != "" || w.accepted.BodyHash != [32]byte{} {
		t.Errorf("without a key: %q with hash %x", w.accepted.IdempotencyKey, w.accepted.BodyHash)
	}
	w.ingest(good, func(s *event.Submission) { s.IdempotencyKey = "order-1" })
	if w.accepted.IdempotencyKey != "order-1" || w.accepted.BodyHash != sha256.Sum256([]byte(good)) {
		t.Errorf("with a key: %q with hash %x, want the body's SHA-256", w.accepted.IdempotencyKey, w.accepted.BodyHash)
	}
	first := event.Receipt{Event: event.NewID(w.now), Deliveries: []event.ID{event.NewID(w.now)}, Replayed: true}
	w.store = func(event.Acceptance) (event.Receipt, error) { return first, nil }
	if got, err := w.ingest(good); err != nil || !cmp.Equal(got.Receipt, first) {
		t.Errorf("a replay returns %+v, %v, want the first one's receipt", got, err)
	}
}

// If the service made a subscription inactive, the error must say why.
func TestInactiveSaysWhy(t *testing.T) {
	w := newWorld()
	w.sub.Active, w.sub.DisabledReason = false, "the endpoint responded with 410 Gone"
	if _, err := w.ingest(good); err == nil || !strings.Contains(err.Error(), "410 Gone") {
		t.Errorf("got %v", err)
	}
}

// No error may contain a secret, or a long part of what a caller sent.
func TestErrorsAreDiscreet(t *testing.T) {
	w := newWorld()
	w.sub.Secrets = []event.Secret{"whsec_!!s3cr3t", "s3cr3t"}
	w.sub.RequireSignature = true
	for _, header := range [][2]string{
		{"Webhook-Signature", "v1,AAAA"}, {"X-Hub-Signature-256", "sha256=00"}, {"X-Hub-Signature-256", strings.Repeat("A", 5000)}, {"A", "b"},
	} {
		_, err := w.ingest(good, func(s *event.Submission) { s.Header.Set(header[0], header[1]) })
		if !errors.Is(err, event.ErrUnauthorized) || strings.Contains(err.Error(), "s3cr3t") || len(err.Error()) > 1000 {
			t.Errorf("%s: %.300v", header[0], err)
		}
	}
	if !slices.Equal(w.calls, nil) {
		t.Errorf("did %v", w.calls)
	}
}
