package event_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookferry/hookferry/internal/event"
)

// parcel is a delivery in these tests: its name and the size of its payload.
type parcel struct {
	name string
	size int
}

// lane returns a lane of deliveries with these names and one byte each.
func lane(capacity int, names ...string) event.Lane[parcel] {
	l := event.Lane[parcel]{Capacity: capacity}
	for _, name := range names {
		l.Due = append(l.Due, parcel{name, 1})
	}
	return l
}

// unseen marks a lane as having more due than was found.
func unseen(l event.Lane[parcel]) event.Lane[parcel] {
	l.More = true
	return l
}

func take(r event.ClaimRequest, lanes []event.Lane[parcel]) (names []string, more bool) {
	more, _ = event.TakeTurns(r, lanes, func(p parcel) (int, error) {
		names = append(names, p.name)
		return p.size, nil
	})
	return names, more
}

func TestTakeTurns(t *testing.T) {
	type lanes = []event.Lane[parcel]
	big := event.Lane[parcel]{Capacity: 9, Due: []parcel{{"big", 100}, {"small", 1}}}
	for _, tt := range []struct {
		reason       string
		lanes        lanes
		limit, bytes int
		want         []string
		more         bool
	}{
		{"nothing is due", nil, 5, 0, nil, false},
		{"all that is due fits", lanes{lane(9, "a1"), lane(9, "b1")}, 5, 0, []string{"a1", "b1"}, false},
		{"it fits exactly", lanes{lane(2, "a1", "a2")}, 2, 2, []string{"a1", "a2"}, false},
		{"each gets a turn before any gets another", lanes{lane(9, "a1", "a2", "a3"), lane(9, "b1"), lane(9, "c1", "c2")}, 9, 0, []string{"a1", "b1", "c1", "a2", "c2", "a3"}, false},
		{"the limit ends it within a turn", lanes{lane(9, "a1", "a2"), lane(9, "b1", "b2")}, 3, 0, []string{"a1", "b1", "a2"}, true},
		{"the limit is lower than the number of lanes", lanes{lane(9, "a1"), lane(9, "b1"), lane(9, "c1")}, 2, 0, []string{"a1", "b1"}, true},
		{"a limit of zero takes nothing", lanes{lane(9, "a1")}, 0, 0, nil, true},
		{"a full lane leaves its turns to others", lanes{lane(0, "a1"), lane(1, "b1", "b2"), lane(9, "c1", "c2")}, 9, 0, []string{"b1", "c1", "c2"}, true},
		{"a full lane with nothing due leaves nothing", lanes{lane(0), lane(9, "b1")}, 9, 0, []string{"b1"}, false},
		{"more may be due than was found", lanes{unseen(lane(9, "a1"))}, 9, 0, []string{"a1"}, true},
		{"more may be due of a lane where nothing was found", lanes{unseen(lane(0)), lane(9, "b1")}, 9, 0, []string{"b1"}, true},
		{"bytes end it after the delivery that reaches them", lanes{lane(9, "a1", "a2", "a3")}, 9, 2, []string{"a1", "a2"}, true},
		{"one payload may be larger than all bytes", lanes{big, lane(9, "b1")}, 9, 10, []string{"big"}, true},
		{"0 bytes mean no limit", lanes{big, lane(9, "b1")}, 9, 0, []string{"big", "b1", "small"}, false},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			names, more := take(event.ClaimRequest{Limit: tt.limit, Bytes: tt.bytes}, tt.lanes)
			if !slices.Equal(names, tt.want) || more != tt.more {
				t.Errorf("took %v, more is %v; want %v, %v", names, more, tt.want, tt.more)
			}
		})
	}
}

func TestTakeTurnsEndsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	calls := 0
	_, err := event.TakeTurns(event.ClaimRequest{Limit: 9}, []event.Lane[parcel]{lane(9, "a1", "a2", "a3")}, func(parcel) (int, error) {
		if calls++; calls == 2 {
			return 0, broken
		}
		return 1, nil
	})
	if !errors.Is(err, broken) || calls != 2 {
		t.Errorf("got %v after %d calls, want %v after 2", err, calls, broken)
	}
}

// FuzzTakeTurns compares TakeTurns with a slow implementation: within the limits, the next
// delivery is from the lane that had the fewest turns. Each byte of due makes a lane: how many are
// due, its capacity, and whether it may have more.
func FuzzTakeTurns(f *testing.F) {
	f.Add([]byte{0x13, 0x31, 0x02, 0x74}, uint8(5), uint8(0))
	f.Add([]byte{0x77, 0x77}, uint8(20), uint8(9))
	f.Add([]byte{0xf0, 0x0f}, uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, due []byte, limit, bytes uint8) {
		var lanes []event.Lane[parcel]
		for i, b := range due {
			l := event.Lane[parcel]{Capacity: int(b >> 4 & 7), More: b>>7 == 1}
			for j := range b & 15 {
				l.Due = append(l.Due, parcel{string(rune('A'+i)) + string(rune('a'+j)), int(b>>2+j) & 7})
			}
			lanes = append(lanes, l)
		}
		r := event.ClaimRequest{Limit: int(limit), Bytes: int(bytes)}
		names, more := take(r, lanes)
		wantNames, wantMore := takeSlowly(r, lanes)
		if !slices.Equal(names, wantNames) || more != wantMore {
			t.Errorf("took %v, more is %v; want %v, %v", names, more, wantNames, wantMore)
		}
	})
}

func takeSlowly(r event.ClaimRequest, lanes []event.Lane[parcel]) (names []string, more bool) {
	turns, bytes := make([]int, len(lanes)), 0
	for len(names) < r.Limit && (r.Bytes == 0 || bytes < r.Bytes) {
		next := -1
		for i, l := range lanes {
			canTake := turns[i] < len(l.Due) && turns[i] < l.Capacity
			if canTake && (next < 0 || turns[i] < turns[next]) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		p := lanes[next].Due[turns[next]]
		names, bytes = append(names, p.name), bytes+p.size
		turns[next]++
	}
	for i, l := range lanes {
		more = more || l.More || turns[i] < len(l.Due)
	}
	return names, more
}

func TestLanes(t *testing.T) {
	r := event.ClaimRequest{Capacity: 5, CapacityOf: map[event.ID]int{{2}: 1}}
	var lanes event.Lanes[int]
	for i, subscription := range []event.ID{{3}, {2}, {3}, {1}, {2}} {
		lane := lanes.Of(subscription, r)
		lane.Due = append(lane.Due, i)
	}
	want := []event.Lane[int]{
		{Subscription: event.ID{3}, Due: []int{0, 2}, Capacity: 5},
		{Subscription: event.ID{2}, Due: []int{1, 4}, Capacity: 1},
		{Subscription: event.ID{1}, Due: []int{3}, Capacity: 5},
	}
	if diff := cmp.Diff(want, lanes.List); diff != "" {
		t.Errorf("lanes (- wanted, + found):\n%s", diff)
	}
}
