package release010

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store"
)

// Check fails the test unless the store contains everything that Content lists: each accepted event
// under its ids, each subscription and key in its state, and the right number of deliveries of each
// status. It is for a store on which nothing has run yet.
func (c Content) Check(t testing.TB, s store.Store) {
	t.Helper()
	counts, err := s.Count(t.Context())
	if diff := cmp.Diff(c.Counts, named(counts)); diff != "" || err != nil {
		t.Errorf("deliveries by status: %v\n%s", err, diff)
	}
	for _, sub := range c.Subscriptions {
		checkSubscription(t, s, sub)
		for _, e := range sub.Acknowledged {
			checkEvent(t, s, sub, e)
		}
	}
	for _, k := range c.Keys {
		checkKey(t, s, k, c.KilledAt)
	}
	findings, err := s.Audit(t.Context(), c.KilledAt, time.Time{})
	if err != nil || len(findings) > 0 {
		t.Errorf("the audit finds %v, %v", findings, err)
	}
}

func checkSubscription(t testing.TB, s store.Store, want Subscription) {
	t.Helper()
	got, err := s.Subscription(t.Context(), want.ID)
	if err != nil {
		t.Errorf("read the subscription %q: %v", want.About, err)
		return
	}
	if state := state(got); state != want.State {
		t.Errorf("the subscription %q is %s, want %s", want.About, state, want.State)
	}
}

func state(s event.Subscription) string {
	switch {
	case s.Deleted():
		return "deleted"
	case s.Active:
		return "active"
	case s.DisabledReason != "":
		return "disabled"
	}
	return "inactive"
}

func checkEvent(t testing.TB, s store.Store, sub Subscription, want Event) {
	t.Helper()
	r, err := s.Delivery(t.Context(), want.DeliveryID)
	if err != nil {
		t.Errorf("read the acknowledged delivery %v (%s): %v", want.DeliveryID, sub.About, err)
		return
	}
	d := r.Delivery
	if d.EventID != want.ID || d.SubscriptionID != sub.ID || r.EventType != want.Type || len(r.Attempts) != d.Attempts {
		t.Errorf("delivery %v (%s) is of event %v and subscription %v, with the type %s and %d attempts of %d; want event %v, subscription %v and the type %s",
			d.ID, sub.About, d.EventID, d.SubscriptionID, r.EventType, len(r.Attempts), d.Attempts, want.ID, sub.ID, want.Type)
	}
	if sub.Counts[d.Status.String()] == 0 {
		t.Errorf("delivery %v (%s) is %v; its subscription has only %v", d.ID, sub.About, d.Status, sub.Counts)
	}
}

func checkKey(t testing.TB, s store.Store, want Key, now time.Time) {
	t.Helper()
	k, err := s.KeyByHash(t.Context(), sha256.Sum256([]byte(want.Text)))
	if err != nil {
		t.Errorf("read the API key %q: %v", want.Name, err)
		return
	}
	state := "valid"
	switch {
	case !k.RevokedAt.IsZero():
		state = "revoked"
	case k.Expired(now):
		state = "expired"
	}
	if k.Name != want.Name || string(k.Scope) != want.Scope || state != want.State {
		t.Errorf("the API key is %q, %s and %s; want %q, %s and %s", k.Name, k.Scope, state, want.Name, want.Scope, want.State)
	}
}

// named returns counts in the form of Content: by the name of the status, without zeros.
func named(counts map[event.Status]int) map[string]int {
	byName := map[string]int{}
	for status, n := range counts {
		if n > 0 {
			byName[status.String()] = n
		}
	}
	return byName
}

// CheckPayloads fails the test unless the payload of each accepted event is what was published.
// payloads are those of the database, by event.
func (c Content) CheckPayloads(t testing.TB, payloads map[event.ID][]byte) {
	t.Helper()
	for _, sub := range c.Subscriptions {
		for _, e := range sub.Acknowledged {
			payload, found := payloads[e.ID]
			if !found {
				t.Errorf("event %v (%s) is not in the database", e.ID, sub.About)
				continue
			}
			if sum := sha256.Sum256(payload); hex.EncodeToString(sum[:]) != e.SHA256 {
				t.Errorf("the payload of event %v (%s) is not what was posted: %.200s", e.ID, sub.About, payload)
			}
		}
	}
}
