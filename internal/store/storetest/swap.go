package storetest

import (
	"github.com/hookferry/hookferry/internal/event"
)

// swap swaps secrets and fails the case on an error.
func (r rig) swap(from, to event.Subscription) bool {
	r.t.Helper()
	swapped, err := r.s.SwapSecrets(r.t.Context(), from, to)
	r.must("swap secrets", err)
	return swapped
}

// turned returns the subscription with other secrets and headers.
func turned(s event.Subscription) event.Subscription {
	s.Secrets = []event.Secret{"another", "and one more"}
	s.Headers = map[string]string{"Authorization": "another", "X-New": ""}
	return s
}

func swapSecrets(r rig) {
	for _, s := range []event.Subscription{r.subscribe(full), r.subscribe()} {
		from, to := r.subscription(s.ID), turned(s)
		if to.TargetURL += "/not-this"; !r.swap(from, to) {
			r.t.Error("unchanged secrets were not swapped")
		}
		same(r.t, "swapped", r.subscription(s.ID), turned(s))
		if r.swap(from, to) {
			r.t.Error("secrets that had already changed were swapped again")
		}
	}
}

func swapChanged(r rig) {
	tests := map[string]func(*event.Subscription){
		"a secret":             func(s *event.Subscription) { s.Secrets = []event.Secret{"new", s.Secrets[1]} },
		"the secrets' order":   func(s *event.Subscription) { s.Secrets = []event.Secret{s.Secrets[1], s.Secrets[0]} },
		"one secret less":      func(s *event.Subscription) { s.Secrets = s.Secrets[:1] },
		"a header":             func(s *event.Subscription) { s.Headers = map[string]string{"Authorization": "Bearer new"} },
		"no header any longer": func(s *event.Subscription) { s.Headers = nil },
	}
	for what, edit := range tests {
		from := r.subscribe(full)
		now := from
		edit(&now)
		now.UpdatedAt = r.tick()
		_, err := r.s.ReplaceSubscription(r.t.Context(), now)
		r.must("replace", err)
		if r.swap(from, turned(from)) {
			r.t.Errorf("%s had changed, but was overwritten", what)
		}
		now.Revision++
		same(r.t, what, r.subscription(from.ID), now)
	}
}

func swapGone(r rig) {
	deleted, never := r.subscribe(full), event.Subscription{ID: event.NewID(r.tick())}
	r.must("delete", r.s.DeleteSubscription(r.t.Context(), deleted.ID, r.tick(), 0))
	for _, s := range []event.Subscription{deleted, r.subscription(deleted.ID), never} {
		if r.swap(s, turned(s)) {
			r.t.Errorf("the secrets of %s were swapped", s.ID)
		}
	}
	if got := r.subscription(deleted.ID); len(got.Secrets)+len(got.Headers) > 0 {
		r.t.Error("a deleted subscription has secrets again")
	}
}
