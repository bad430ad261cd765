package powerloss

import (
	"crypto/sha256"
	"maps"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// note is what the store acknowledged, or what it is about to be asked.
type note struct {
	delivery event.ID
	payload  [sha256.Size]byte // of an accepted event
	attempt  event.ID          // a recorded attempt, or zero
	status   event.Status      // after the attempt
	number   int

	settling bool      // the delivery may be settled from now on, at that time
	expiring bool      // deliveries settled before that time may be deleted from now on
	at       time.Time // for both
}

// kept is what must be found of a delivery.
type kept struct {
	payload  [sha256.Size]byte
	attempts []event.ID
	number   int          // minimum number of attempts
	status   event.Status // if pending, it may have changed
	settled  time.Time    // possibly, or zero
}

// ledger is what must be found, by delivery.
type ledger map[event.ID]kept

func (l ledger) note(n note) {
	k, found := l[n.delivery]
	switch {
	case n.expiring:
		maps.DeleteFunc(l, func(_ event.ID, k kept) bool { return !k.settled.IsZero() && k.settled.Before(n.at) })
		return
	case n.delivery.IsZero():
		return
	case n.settling:
		k.settled = n.at
	case n.attempt.IsZero():
		k, found = kept{payload: n.payload}, true
	default:
		k.attempts = append(k.attempts[:len(k.attempts):len(k.attempts)], n.attempt)
		k.number, k.status = max(k.number, n.number), n.status
	}
	if found { // otherwise it is deleted
		l[n.delivery] = k
	}
}

func (l ledger) clone() ledger { return maps.Clone(l) }
