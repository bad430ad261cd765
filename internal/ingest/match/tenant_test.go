package match_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

func id(n int) (id event.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func sub(n int, patterns ...string) *match.Subscription {
	return &match.Subscription{ID: id(n), Active: true, EventTypes: patterns}
}

func ids(subs []*match.Subscription) (numbers []int) {
	for _, s := range subs {
		numbers = append(numbers, int(binary.BigEndian.Uint64(s.ID[8:])))
	}
	return numbers
}

func wantMatch(t *testing.T, tenant *match.Tenant, eventType string, version int64, want ...int) {
	t.Helper()
	got, at := tenant.Match(nil, &match.Event{Type: eventType})
	if !slices.Equal(ids(got), want) || at != version {
		t.Errorf("%s matches %v at version %d, want %v at %d", eventType, ids(got), at, want, version)
	}
}

func TestTenantMatch(t *testing.T) {
	inactive, filtered, channel, paused := sub(6), sub(7, "a.b"), sub(8, "a.*"), sub(9, "a.b")
	inactive.Active = false
	filtered.Filter = compile(t, `{"data":{"x":1}}`)
	channel.Channels = []string{"eu"}
	paused.Paused = true
	tenant := match.NewTenant(4, []*match.Subscription{
		paused, sub(5, "a.b", "a.*", "*"), sub(3, "a.*"), sub(1), sub(2, "a.b"), sub(4, "a.b.*"), inactive, filtered, channel,
	})
	wantMatch(t, tenant, "a.b", 4, 1, 2, 3, 5, 9)
	wantMatch(t, tenant, "a.b.c", 4, 1, 3, 4, 5)
	wantMatch(t, tenant, "a", 4, 1, 5)
	wantMatch(t, tenant, "b", 4, 1, 5)
	got, _ := tenant.Match(nil, &match.Event{Type: "a.b", Data: []byte(`{"x":1}`), Channels: []string{"eu"}})
	if want := []int{1, 2, 3, 5, 7, 8, 9}; !slices.Equal(ids(got), want) {
		t.Errorf("with data and a channel it matches %v, want %v", ids(got), want)
	}
}

// TestTenantMatchAppends checks that Match keeps what is already in the list.
func TestTenantMatchAppends(t *testing.T) {
	first := sub(9)
	tenant := match.NewTenant(0, []*match.Subscription{sub(1), sub(2, "b"), sub(3, "a")})
	got, _ := tenant.Match([]*match.Subscription{first}, &match.Event{Type: "a"})
	if want := []int{9, 1, 3}; !slices.Equal(ids(got), want) {
		t.Errorf("the list is %v, want %v", ids(got), want)
	}
}

func TestTenantApply(t *testing.T) {
	tenant := match.NewTenant(4, []*match.Subscription{sub(1, "a"), sub(2, "b.*")})
	wantMatch(t, tenant, "a", 4, 1)
	if !tenant.Apply(match.Changes{From: 4, To: 5, Put: []*match.Subscription{sub(3, "a"), sub(1, "b.c")}}) {
		t.Fatal("the next change was not applied")
	}
	wantMatch(t, tenant, "a", 5, 3)
	wantMatch(t, tenant, "b.c", 5, 1, 2)
	if tenant.Apply(match.Changes{From: 6, To: 7, Removed: []event.ID{id(3)}}) {
		t.Fatal("a change was applied, although an earlier one is missing")
	}
	wantMatch(t, tenant, "a", 5, 3)
	if !tenant.Apply(match.Changes{From: 5, To: 7, Removed: []event.ID{id(3), id(99)}}) {
		t.Fatal("two changes at once were not applied")
	}
	wantMatch(t, tenant, "a", 7)
	if !tenant.Apply(match.Changes{From: 4, To: 6, Put: []*match.Subscription{sub(3, "a")}}) {
		t.Fatal("changes that the index already has were refused")
	}
	wantMatch(t, tenant, "a", 7)
	paused := sub(2, "b.*")
	paused.Active = false
	tenant.Apply(match.Changes{From: 7, To: 8, Put: []*match.Subscription{paused}})
	wantMatch(t, tenant, "b.c", 8, 1)
	if s := tenant.Get(id(2)); s != paused {
		t.Errorf("an inactive subscription is not kept: %v", s)
	}
	if s := tenant.Get(id(3)); s != nil {
		t.Errorf("a deleted subscription is kept: %v", s)
	}
	if tenant.Version() != 8 {
		t.Errorf("the version is %d", tenant.Version())
	}
}

func TestTenantAfter(t *testing.T) {
	off := sub(2)
	off.Active = false
	tenant := match.NewTenant(0, []*match.Subscription{sub(4), off, sub(1, "a"), sub(3)})
	for _, tt := range []struct {
		after, most int
		want        []int
	}{{0, 2, []int{1, 2}}, {2, 2, []int{3, 4}}, {2, 9, []int{3, 4}}, {4, 2, nil}, {9, 2, nil}, {0, 0, nil}} {
		if got := ids(tenant.After(id(tt.after), tt.most)); !slices.Equal(got, tt.want) {
			t.Errorf("%d after %d are %v, want %v", tt.most, tt.after, got, tt.want)
		}
	}
}

// TestTenantIsALinearScan compares the index with a scan of all subscriptions, after random changes.
// Some subscriptions have patterns that no check would accept.
func TestTenantIsALinearScan(t *testing.T) {
	patterns := []string{"a", "a.b", "a.b.c", "b", "a.*", "a.b.*", "b.*", "*", "a*", ".*", "a.b*", "", "a..*", "*.b"}
	types := []string{"a", "a.b", "a.b.c", "b", "b.c", "ab", "a.bc", "", ".", "a.", "a..b"}
	rapid.Check(t, func(r *rapid.T) {
		tenant, model := match.NewTenant(0, nil), map[int]*match.Subscription{}
		for v := range rapid.IntRange(1, 30).Draw(r, "changes") {
			n := rapid.IntRange(1, 8).Draw(r, "subscription")
			c := match.Changes{From: int64(v), To: int64(v + 1)}
			if rapid.IntRange(0, 3).Draw(r, "removed") == 0 {
				c.Removed = []event.ID{id(n)}
				delete(model, n)
			} else {
				s := sub(n, rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 3).Draw(r, "patterns")...)
				s.Active = rapid.IntRange(0, 4).Draw(r, "active") > 0
				c.Put, model[n] = []*match.Subscription{s}, s
			}
			tenant.Apply(c)
		}
		for _, eventType := range types {
			var want []int
			for n := range 9 {
				if s := model[n]; s != nil && s.Active && event.Wants(s.EventTypes, eventType) {
					want = append(want, n)
				}
			}
			if got, _ := tenant.Match(nil, &match.Event{Type: eventType}); !slices.Equal(ids(got), want) {
				r.Fatalf("%q matches %v, want %v", eventType, ids(got), want)
			}
		}
	})
}

// TestConcurrentUse is for the race detector: one filter and one tenant, many goroutines.
func TestConcurrentUse(t *testing.T) {
	shared := sub(1, "a.*")
	shared.Filter = compile(t, `{"data":{"o":{"$eq":`+largeObject(200, "")+`}}}`)
	tenant := match.NewTenant(0, []*match.Subscription{shared})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 50 {
				tenant.Apply(match.Changes{From: tenant.Version(), To: int64(i), Put: []*match.Subscription{sub(2+g, fmt.Sprintf("a.t%d", i))}})
				got, _ := tenant.Match(nil, &match.Event{Type: "a.b", Data: []byte(`{"o":` + largeObject(200, "") + `}`)})
				if len(got) != 1 || got[0] != shared {
					t.Errorf("it matches %v", ids(got))
				}
			}
		})
	}
	all.Wait()
}
