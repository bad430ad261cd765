package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

var subscriptionCases = []testCase{
	{"a created subscription can be read", createdComesBack},
	{"a missing retry schedule and an empty one differ", scheduleNilAndEmpty},
	{"times come back in UTC", timesInUTC},
	{"an unknown subscription is not found", unknownSubscription},
	{"the list of an empty store is empty", emptyList},
	{"the list is newest first, page by page", listPages},
	{"the list has all fields of each subscription", listWhole},
	{"a cursor may be an id that is not listed", listFromAnyID},
	{"replace writes everything that a caller may set", replaceAll},
	{"replace can remove settings", replaceClears},
	{"replace keeps the secrets if none are given", replaceKeepsSecrets},
	{"replace writes new secrets", replaceSecrets},
	{"replace removes the secrets if the list is empty", replaceRemovesSecrets},
	{"replace with an active subscription removes the reason for disabling it", replaceClearsReason},
	{"replace of an unknown subscription is not found", replaceUnknown},
	{"secrets and headers are swapped, and nothing else", swapSecrets},
	{"secrets that were changed meanwhile are not swapped", swapChanged},
	{"secrets of a deleted subscription are not swapped", swapGone},
}

// full sets all fields of a subscription.
func full(s *event.Subscription) {
	s.TargetURL = "https://example.com:8443/hooks/a%20b?x=1&y=%22"
	s.Description = "Grüße, 東京 🚀\nsecond line\t\"quoted\" 'single' \\ ; --"
	s.EventTypes = []string{"user.*", "order.paid", "*"}
	s.Secrets = []event.Secret{"whsec_bmV3ZXN0IHNlY3JldCBvZiBhbGw=", "ältestes Geheimnis 🗝"}
	s.RequireSignature = true
	s.Headers = map[string]string{"Authorization": "Bearer abc", "X-Empty": "", "x-lower": `a"b\c, d`}
	s.Active = false
	s.DisabledReason = "the endpoint responded with 410 Gone — “bye”"
	s.UpdatedAt = s.CreatedAt.Add(36*time.Hour + 7*time.Microsecond)
	s.Timeout = 1500 * time.Millisecond
	s.RetrySchedule = event.RetryPolicy{250 * time.Millisecond, time.Second, 72 * time.Hour}
	s.MaxInFlight = 7
	s.RatePerSecond = 0.1
}

func createdComesBack(r rig) {
	tests := []struct {
		reason string
		edit   func(*event.Subscription)
	}{
		{"what is not set stays zero", func(*event.Subscription) {}},
		{"every field at once", full},
		{"empty lists mean the same as none", func(s *event.Subscription) {
			s.EventTypes, s.Secrets, s.Headers = []string{}, []event.Secret{}, map[string]string{}
		}},
		{"the largest values that the checks allow", func(s *event.Subscription) {
			s.TargetURL = "https://example.com/" + strings.Repeat("x", event.MaxTargetURL-20)
			s.Description = strings.Repeat("d", event.MaxDescription)
			s.EventTypes = slices.Repeat([]string{strings.Repeat("t", event.MaxEventType)}, event.MaxEventTypes)
			s.Headers = map[string]string{"X-Long": strings.Repeat("v", event.MaxHeaderBytes-6)}
			s.RetrySchedule = slices.Repeat(event.RetryPolicy{time.Hour}, event.MaxRetries)
			s.Timeout, s.MaxInFlight, s.RatePerSecond = event.MaxTimeout, event.MaxInFlight, event.MaxRate
		}},
	}
	for _, tt := range tests {
		want := r.subscribe(tt.edit)
		same(r.t, tt.reason+": subscription", r.subscription(want.ID), want)
	}
}

func scheduleNilAndEmpty(r rig) {
	none := r.subscribe()
	empty := r.subscribe(func(s *event.Subscription) { s.RetrySchedule = event.RetryPolicy{} })
	if got := r.subscription(none.ID).RetrySchedule; got != nil {
		r.t.Errorf("nil came back as %#v: the service's setting would no longer apply", got)
	}
	if got := r.subscription(empty.ID).RetrySchedule; got == nil || len(got) != 0 {
		r.t.Errorf("an empty schedule came back as %#v: it means no retries, not the service's setting", got)
	}
}

func timesInUTC(r rig) {
	elsewhere := time.FixedZone("elsewhere", 5*3600+1800)
	want := r.subscribe(func(s *event.Subscription) {
		s.CreatedAt, s.UpdatedAt = s.CreatedAt.In(elsewhere), s.UpdatedAt.In(elsewhere)
	})
	got := r.subscription(want.ID)
	same(r.t, "subscription", got, want)
	inUTC(r.t, map[string]time.Time{"CreatedAt": got.CreatedAt, "UpdatedAt": got.UpdatedAt, "DeletedAt": got.DeletedAt})
}

func unknownSubscription(r rig) {
	r.subscribe()
	for _, id := range []event.ID{{}, event.NewID(r.now)} {
		_, err := r.s.Subscription(r.t.Context(), id)
		r.mustFail("read an unknown subscription", err, event.ErrNotFound)
	}
}

func (r rig) list(before event.ID, limit int) []event.Subscription {
	r.t.Helper()
	page, err := r.s.ListSubscriptions(r.t.Context(), event.SubscriptionQuery{After: event.SubscriptionPosition{ID: before}, Limit: limit})
	r.must("list subscriptions", err)
	return page
}

func emptyList(r rig) {
	if got := r.list(event.ID{}, 10); len(got) != 0 {
		r.t.Errorf("got %d subscriptions", len(got))
	}
}

func listPages(r rig) {
	want := r.subscriptions(7)
	slices.Reverse(want)
	var got []event.ID
	var sizes []int
	for before := (event.ID{}); ; {
		page := r.list(before, 3)
		sizes = append(sizes, len(page))
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			got = append(got, s.ID)
		}
		before = got[len(got)-1]
	}
	same(r.t, "sizes of the pages", sizes, []int{3, 3, 1, 0})
	same(r.t, "order of the list", got, want)
}

func listWhole(r rig) {
	want := []event.Subscription{r.subscribe(full), r.subscribe()}
	slices.Reverse(want)
	got := r.list(event.ID{}, 10)
	same(r.t, "list", got, want)
	if len(got) == 2 && got[0].RetrySchedule != nil {
		r.t.Errorf("the list made the nil schedule %#v", got[0].RetrySchedule)
	}
}

func listFromAnyID(r rig) {
	first := r.subscribe()
	between := event.NewID(r.tick())
	deleted := r.subscribe()
	r.subscribe()
	r.must("delete", r.s.DeleteSubscription(r.t.Context(), deleted.ID, r.tick(), 0))
	for _, cursor := range []event.ID{between, deleted.ID} {
		same(r.t, "page", r.list(cursor, 10), []event.Subscription{first})
	}
}

func (r rig) replace(s event.Subscription) event.Subscription {
	r.t.Helper()
	got, err := r.s.ReplaceSubscription(r.t.Context(), s)
	r.must("replace a subscription", err)
	same(r.t, "what replace returned and what is stored", got, r.subscription(s.ID))
	return got
}

func replaceAll(r rig) {
	old := r.subscribe()
	other := r.subscribe(full)
	want := old
	full(&want)
	want.DisabledReason = "" // only the service sets it
	sent := want
	sent.CreatedAt = old.CreatedAt.Add(time.Hour) // the caller can't change it
	want.Revision = 2
	same(r.t, "replaced subscription", r.replace(sent), want)
	same(r.t, "its neighbour", r.subscription(other.ID), other)
}

func replaceClears(r rig) {
	old := r.subscribe(full)
	want := event.Subscription{
		ID: old.ID, Tenant: old.Tenant, TargetURL: "http://b.example/", Secrets: old.Secrets, Active: true,
		CreatedAt: old.CreatedAt, UpdatedAt: r.tick(),
	}
	got := r.replace(want)
	want.Revision = 2
	same(r.t, "replaced subscription", got, want)
	if got.RetrySchedule != nil {
		r.t.Errorf("the schedule that was removed is %#v, want nil", got.RetrySchedule)
	}
}

func replaceKeepsSecrets(r rig) {
	old := r.subscribe(full)
	sent := old
	sent.Secrets = nil
	same(r.t, "secrets", r.replace(sent).Secrets, old.Secrets)
}

func replaceRemovesSecrets(r rig) {
	sent := r.subscribe(full)
	sent.Secrets = []event.Secret{}
	if got := r.replace(sent).Secrets; len(got) > 0 {
		r.t.Errorf("%d secrets are left", len(got))
	}
	if got := r.subscription(sent.ID).Secrets; len(got) > 0 {
		r.t.Errorf("%d secrets are left when it is read again", len(got))
	}
}

func replaceSecrets(r rig) {
	sent := r.subscribe(full)
	sent.Secrets = []event.Secret{"another"}
	same(r.t, "secrets", r.replace(sent).Secrets, sent.Secrets)
}

func replaceClearsReason(r rig) {
	sent := r.subscribe(full)
	sent.Active, sent.DisabledReason = true, ""
	if got := r.replace(sent); !got.Active || got.DisabledReason != "" {
		r.t.Errorf("active is %v and the reason %q, want an active subscription without one", got.Active, got.DisabledReason)
	}
}

func replaceUnknown(r rig) {
	s := event.Subscription{ID: event.NewID(r.now), TargetURL: "https://example.com/", CreatedAt: r.now, UpdatedAt: r.now}
	_, err := r.s.ReplaceSubscription(r.t.Context(), s)
	r.mustFail("replace an unknown subscription", err, event.ErrNotFound)
	if got := r.list(event.ID{}, 10); len(got) != 0 {
		r.t.Errorf("replacing an unknown subscription made %d", len(got))
	}
}
