package view

import (
	"context"
	"errors"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
)

const acmeNo, otherNo = 7, 8

// backend has the tenants acme and other, each with the subscription that has its number in its id. It
// counts look-ups.
type backend struct {
	Subscriptions
	Publisher
	lookups   int
	published []string // the tenants of what was published
	fail      error
}

func idOf(no byte) (id event.ID) {
	id[15] = no
	return id
}

func (b *backend) Subscription(_ context.Context, id event.ID) (event.Subscription, error) {
	b.lookups++
	if b.fail != nil {
		return event.Subscription{}, b.fail
	}
	if no := id[15]; no == acmeNo || no == otherNo {
		return event.Subscription{ID: id, TenantNo: int64(no)}, nil
	}
	return event.Subscription{}, event.ErrNotFound
}

func (b *backend) Ingest(context.Context, event.Submission) (event.Submitted, error) {
	return event.Submitted{}, nil
}

func (b *backend) PublishAll(_ context.Context, list []event.Publication) []event.PublishResult {
	for _, p := range list {
		b.published = append(b.published, p.Tenant+"/"+p.Type)
	}
	return make([]event.PublishResult, len(list))
}

var acmeKey = event.APIKey{Tenant: "acme", TenantNo: acmeNo}

func TestIngestLooksUpATenantOnce(t *testing.T) {
	for _, c := range []struct {
		reason       string
		key          event.APIKey
		subscription event.ID
		lookups      int // of three calls
		err          error
	}{
		{"an unbound key", event.APIKey{}, idOf(acmeNo), 0, nil},
		{"an unbound key, and nothing there: ingest says so", event.APIKey{}, idOf(1), 0, nil},
		{"its own tenant", acmeKey, idOf(acmeNo), 1, nil},
		{"another tenant", acmeKey, idOf(otherNo), 1, event.ErrNotFound},
		{"nothing there: it may come", acmeKey, idOf(1), 3, event.ErrNotFound},
		{"the default tenant has the number 0", event.APIKey{Tenant: "default"}, idOf(acmeNo), 1, event.ErrNotFound},
	} {
		b := &backend{}
		v := New(Backend{Ingest: b, Subscriptions: b}).For(c.key)
		for range 3 {
			if _, err := v.Ingest(t.Context(), event.Submission{SubscriptionID: c.subscription}); !errors.Is(err, c.err) {
				t.Errorf("%s: %v", c.reason, err)
			}
		}
		if b.lookups != c.lookups {
			t.Errorf("%s: %d look-ups, want %d", c.reason, b.lookups, c.lookups)
		}
	}
}

// A store that can't be read does not make anything visible, nor does it look like nothing there.
func TestAFailedLookUpIsNoAnswer(t *testing.T) {
	b := &backend{fail: event.ErrUnavailable}
	v := New(Backend{Ingest: b, Subscriptions: b}).For(acmeKey)
	if _, err := v.Ingest(t.Context(), event.Submission{SubscriptionID: idOf(acmeNo)}); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("fails with %v", err)
	}
	b.fail = nil
	if _, err := v.Ingest(t.Context(), event.Submission{SubscriptionID: idOf(acmeNo)}); err != nil {
		t.Errorf("a failure is remembered: %v", err)
	}
}

func TestOwnersAreBounded(t *testing.T) {
	var o owners
	for i := range maxOwners + 10 {
		id := event.ID{byte(i), byte(i >> 8), byte(i >> 16)}
		o.put(id, int64(i))
		if no, found := o.get(id); !found || no != int64(i) || len(o.of) > maxOwners {
			t.Fatalf("after %d: %d, %v, of %d", i, no, found, len(o.of))
		}
	}
}

// Each result stands where its event stood, also if others never reach the publisher.
func TestPublishAllKeepsTheOrder(t *testing.T) {
	b := &backend{}
	v := New(Backend{Publish: b, Subscriptions: b}).For(acmeKey)
	results := v.PublishAll(t.Context(), []event.Publication{
		{Type: "a"}, {Type: "b", Tenant: "other"}, {Type: "c", Tenant: "acme"}, {Type: "d", Tenant: "nobody"}, {Type: "e"},
	})
	for i, refused := range []bool{false, true, false, true, false} {
		if errors.Is(results[i].Err, event.ErrTenantNotFound) != refused {
			t.Errorf("event %d: %v", i, results[i].Err)
		}
	}
	if want := "acme/a acme/c acme/e"; len(b.published) != 3 || b.published[0]+" "+b.published[1]+" "+b.published[2] != want {
		t.Errorf("published were %q, want %s", b.published, want)
	}
	if results := v.PublishAll(t.Context(), []event.Publication{{Tenant: "other"}}); len(results) != 1 || len(b.published) != 3 {
		t.Errorf("%v, %q", results, b.published)
	}
}
