package dispatch

import (
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// work is one delivery that is leased to this node.
type work struct {
	claimed     event.Claimed
	lane        *lane
	interval    time.Duration // the lane's interval when this delivery was started
	failing     bool          // the lane was failing when this delivery was started
	unwell      bool          // the endpoint had failed or refused when it was started, so a success is news
	leasedUntil time.Time     // when the lease ends
	lost        bool          // the lease was lost, so no attempt may be made
	prev, next  *work         // in the leaseList
}

// leaseList is the list of deliveries that are leased to this node, in the order in which their
// leases end. It is a linked list because almost all deliveries leave it before their lease is
// renewed.
type leaseList struct {
	first, last *work
	n           int
	byID        map[event.ID]*work
}

// add appends w, whose lease is the newest. If the list has an older lease of the same delivery,
// that lease has ended, and add removes it and marks it as lost.
func (h *leaseList) add(w *work) {
	id := w.claimed.Delivery.ID
	if before := h.byID[id]; before != nil {
		h.remove(before)
		before.lost = true
	}
	if h.byID == nil {
		h.byID = map[event.ID]*work{}
	}
	h.byID[id] = w
	w.prev, w.next = h.last, nil
	if h.last == nil {
		h.first = w
	} else {
		h.last.next = w
	}
	h.last = w
	h.n++
}

// remove removes w. It does nothing if w is not in the list.
func (h *leaseList) remove(w *work) {
	if w.prev == nil && h.first != w {
		return
	}
	if w.prev == nil {
		h.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		h.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	h.n--
	delete(h.byID, w.claimed.Delivery.ID)
}

// expiringBefore returns at most most deliveries whose lease ends before t, by the monotonic
// clock or by the wall clock. The store compares wall clock times, and the wall clock may have
// been set forward.
func (h *leaseList) expiringBefore(t time.Time, most int) []*work {
	var list []*work
	wall := t.Round(0)
	for w := h.first; w != nil && (w.leasedUntil.Before(t) || w.leasedUntil.Before(wall)) && len(list) < most; w = w.next {
		list = append(list, w)
	}
	return list
}

func leaseKeys(list []*work) []event.LeaseKey {
	keys := make([]event.LeaseKey, len(list))
	for i, w := range list {
		keys[i] = w.claimed.Delivery.LeaseKey()
	}
	return keys
}
