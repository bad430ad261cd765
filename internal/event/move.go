package event

import (
	"fmt"
	"time"
)

// Apply returns the row of a delivery after s is recorded. Its Attempts is the number of the
// attempt. The store calls it for an attempt that is not on record yet.
//
// Settlements are fenced. A settlement is written unchanged if its delivery is still pending, in
// the round in which it was claimed, with the same number of attempts (not counting strays).
// Any other attempt is a stray: its lease was lost, or the delivery was cancelled or resent
// while the attempt was under way. A stray counts as an attempt, but not as a step of the
// schedule. If a stray succeeded, the endpoint has the event, and the delivery becomes delivered.
// Otherwise only the delivery's counters change.
func Apply(row Delivery, s Settlement) Delivery {
	d := s.Delivery
	row.Attempts++
	if row.Status == Pending && row.Round == d.Round && row.Attempts-row.Stray == d.Attempts-d.Stray {
		row.Status, row.DueAt, row.SettledAt = d.Status, d.DueAt, d.SettledAt
		row.LeaseOwner, row.LeasedUntil = "", time.Time{}
		if s.Attempt.Outcome.Refused() {
			row.RoundFrom++
		}
		if d.Status == Delivered {
			row.deliver(d.SettledAt)
		}
		return row
	}
	row.RoundFrom++
	row.Stray++
	if s.Attempt.Outcome.Success() && row.Status != Delivered {
		row.LeaseOwner, row.LeasedUntil = "", time.Time{}
		row.deliver(d.SettledAt)
	}
	return row
}

func (d *Delivery) deliver(at time.Time) {
	d.Status, d.SettledAt = Delivered, at
	if d.DeliveredAt.IsZero() {
		d.DeliveredAt = at
	}
}

// Resend makes a settled delivery due at the given time and restarts its retry schedule.
// Attempts keep their numbers, and the next one continues the count.
//
// The error wraps ErrNotSettled if the delivery is pending. It wraps ErrDelivered if the
// delivery was ever delivered and force is false.
func Resend(d Delivery, at time.Time, force bool) (Delivery, error) {
	switch {
	case d.Status == Pending:
		return d, fmt.Errorf("%w: delivery %s", ErrNotSettled, d.ID)
	case !d.DeliveredAt.IsZero() && !force:
		return d, fmt.Errorf("%w: delivery %s, at %s", ErrDelivered, d.ID, d.DeliveredAt.UTC().Format(time.RFC3339))
	}
	d.Status, d.DueAt, d.SettledAt = Pending, at, time.Time{}
	d.Round++
	d.RoundFrom = d.Attempts
	return d, nil
}

// Cancel settles a pending delivery without an attempt and ends its lease. It does not
// interrupt an attempt that is under way; see Apply. A settled delivery is returned unchanged.
func Cancel(d Delivery, at time.Time) Delivery {
	if d.Status == Pending {
		d.Status, d.SettledAt = Cancelled, at
		d.LeaseOwner, d.LeasedUntil = "", time.Time{}
	}
	return d
}
