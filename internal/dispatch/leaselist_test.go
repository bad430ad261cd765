package dispatch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

// all walks the list forwards and backwards, which must agree.
func (h *leaseList) all(t interface{ Fatalf(string, ...any) }) []*work {
	var forth, back []*work
	for w := h.first; w != nil; w = w.next {
		forth = append(forth, w)
	}
	for w := h.last; w != nil; w = w.prev {
		back = append(back, w)
	}
	slices.Reverse(back)
	if !slices.Equal(forth, back) || len(forth) != h.n {
		t.Fatalf("the list has %d entries forwards and %d backwards, and counts %d", len(forth), len(back), h.n)
	}
	return forth
}

// A slice is the model of what the list must contain.
func TestLeaseList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h leaseList
		var want, out []*work
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				w := &work{}
				w.claimed.Delivery.ID[0] = byte(rapid.IntRange(0, 40).Draw(t, "delivery"))
				h.add(w)
				// An older lease of the same delivery is lost.
				want = slices.DeleteFunc(want, func(before *work) bool {
					same := before.claimed.Delivery.ID == w.claimed.Delivery.ID
					if same && !before.lost {
						t.Fatal("it is leased again, but the older lease is not marked as lost")
					}
					return same
				})
				want = append(want, w)
			case 1: // one that is in the list
				if len(want) > 0 {
					i := rapid.IntRange(0, len(want)-1).Draw(t, "which")
					h.remove(want[i])
					out = append(out, want[i])
					want = slices.Delete(want, i, i+1)
				}
			case 2: // one that was removed before, or was never in the list
				h.remove(&work{})
				if len(out) > 0 {
					h.remove(rapid.SampledFrom(out).Draw(t, "gone"))
				}
			}
			if got := h.all(t); !slices.Equal(got, want) {
				t.Fatalf("the list has %d entries, which are not the %d that it should have", len(got), len(want))
			}
		}
	})
}

func TestExpiringBefore(t *testing.T) {
	var h leaseList
	start := time.Now()
	for i := range 5 {
		h.add(&work{claimed: event.Claimed{Delivery: event.Delivery{ID: event.NewID(start)}}, leasedUntil: start.Add(time.Duration(i) * time.Second)})
	}
	for _, c := range []struct {
		after time.Duration
		most  int
		want  int
		why   string
	}{
		{0, 9, 0, "a lease that ends at that time does not end before it"},
		{2500 * time.Millisecond, 9, 3, "the leases that end after 0, 1 and 2 seconds"},
		{time.Hour, 9, 5, "all"},
		{time.Hour, 2, 2, "at most as many as asked for"},
	} {
		list := h.expiringBefore(start.Add(c.after), c.most)
		if len(list) != c.want {
			t.Errorf("before %v: %d, want %d: %s", c.after, len(list), c.want, c.why)
		}
		for i, w := range list {
			if !w.leasedUntil.Equal(start.Add(time.Duration(i) * time.Second)) {
				t.Errorf("before %v: entry %d is out of order", c.after, i)
			}
		}
	}
}

func TestLeaseKeys(t *testing.T) {
	a := event.Delivery{ID: event.NewID(time.Now()), LeaseOwner: "node-a"}
	b := event.Delivery{ID: event.NewID(time.Now()), LeaseOwner: "node-a/17"}
	list := []*work{{claimed: event.Claimed{Delivery: a}}, {claimed: event.Claimed{Delivery: b}}}
	if got, want := leaseKeys(list), []event.LeaseKey{{Delivery: a.ID, Owner: "node-a"}, {Delivery: b.ID, Owner: "node-a/17"}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
