package event

import (
	"fmt"
	"time"
)

// Apply returns the row of a delivery as it stands once s is on record, and with the
// number of the attempt in its Attempts. The store calls it for an attempt that is not on
// record yet.
//
// Settlements are fenced. One whose delivery is still pending in the round in which it was
// claimed, with the same number of attempts, strays left out, is written as it is. Any other
// is a stray: the lease was lost, or the delivery was cancelled or resent while the attempt
// was under way. A stray counts as an attempt and not as a step of the schedule. If it was a
// success, the endpoint has the event, and the delivery is delivered; otherwise the row stays
// as it was.
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

// Resend makes a settled delivery due at the time given, with a fresh schedule. The
// attempts go on counting.
//
// The error wraps ErrNotSettled if the delivery is pending, and ErrDelivered if it was
// delivered, now or before an earlier resend, and force is false.
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

// Cancel settles a pending delivery without an attempt, and ends its lease. An attempt that
// is under way ends by itself; see Apply. A delivery that is settled stays as it is.
func Cancel(d Delivery, at time.Time) Delivery {
	if d.Status == Pending {
		d.Status, d.SettledAt = Cancelled, at
		d.LeaseOwner, d.LeasedUntil = "", time.Time{}
	}
	return d
}
