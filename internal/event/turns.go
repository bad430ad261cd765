package event

import "iter"

// Lane is the due deliveries of one subscription, in the order in which they are
// claimed. D is what a driver knows about a delivery before it leases it.
type Lane[D any] struct {
	Subscription ID
	Due          []D
	Capacity     int  // how many of Due a claim may take
	More         bool // more may be due than Due contains
}

// Lanes is the lanes of a claim, in the order in which Of was first called for them. The zero
// Lanes is empty.
type Lanes[D any] struct {
	List  []Lane[D]
	index map[ID]int
}

// Of returns the lane of a subscription and adds it if there is none. The pointer is valid
// until the next call of Of.
func (l *Lanes[D]) Of(subscription ID, r ClaimRequest) *Lane[D] {
	i, found := l.index[subscription]
	if !found {
		if l.index == nil {
			l.index = map[ID]int{}
		}
		i = len(l.List)
		l.index[subscription] = i
		l.List = append(l.List, Lane[D]{Subscription: subscription, Capacity: r.CapacityFor(subscription)})
	}
	return &l.List[i]
}

// TakeTurns chooses the deliveries that a claim takes and calls take for each of them. It is
// fair: each lane gets a turn before any lane gets a second one. It stops after r.Limit
// deliveries, and once their payloads add up to at least r.Bytes, if r.Bytes is not 0.
//
// take returns the size of the payload. If take returns an error, TakeTurns stops. more reports
// whether further deliveries are due.
func TakeTurns[D any](r ClaimRequest, lanes []Lane[D], take func(D) (size int, err error)) (more bool, err error) {
	for _, l := range lanes {
		more = more || l.More || len(l.Due) > l.Capacity
	}
	taken, bytes := 0, 0
	for d := range inTurn(lanes) {
		if taken >= r.Limit || r.Bytes > 0 && bytes >= r.Bytes {
			return true, nil
		}
		size, err := take(d)
		if err != nil {
			return more, err
		}
		taken++
		bytes += size
	}
	return more, nil
}

// inTurn yields the first delivery of each lane, then the second of each, and so on,
// up to the capacity of each lane.
func inTurn[D any](lanes []Lane[D]) iter.Seq[D] {
	return func(yield func(D) bool) {
		for turn, found := 0, true; found; turn++ {
			found = false
			for _, l := range lanes {
				if turn >= min(len(l.Due), l.Capacity) {
					continue
				}
				found = true
				if !yield(l.Due[turn]) {
					return
				}
			}
		}
	}
}
