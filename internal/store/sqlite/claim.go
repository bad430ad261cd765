package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

const (
	// maxWalk is how many subscriptions with due deliveries one fair claim visits. The
	// next claim continues where it stopped, so all get their turn.
	maxWalk = 1024
	// walkFirst is how many deliveries of each subscription the walk reads. fill reads
	// more if the claim has capacity for them.
	walkFirst = 4
)

// lane is the due deliveries of one subscription that may be claimed.
type lane = event.Lane[event.ID]

// Claim leases due deliveries fairly.
//
// If all due deliveries fit into the limit, it takes them all. Otherwise it walks through
// the subscriptions with due deliveries, using an index that contains nothing else, and
// takes one delivery of each in turn. So a subscription with a million due deliveries costs
// no more than one with five.
func (s *Store) Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error) {
	var c event.Claim
	err := s.write(ctx, 1, func(w *writer) error {
		c = event.Claim{}
		return s.claim(w, &r, &c)
	})
	if err != nil {
		return event.Claim{}, err
	}
	return c, nil
}

func (s *Store) claim(w *writer, r *event.ClaimRequest, c *event.Claim) error {
	lanes, all, err := w.allDue(r, c)
	if err != nil {
		return err
	}
	if !all {
		if lanes, c.More, err = s.walkDue(w, r, c); err != nil {
			return err
		}
	}
	left, err := event.TakeTurns(*r, lanes, func(id event.ID) (int, error) {
		claimed, intact, err := w.lease(id, r)
		if err != nil || !intact {
			return 0, err
		}
		c.Deliveries = append(c.Deliveries, claimed)
		return len(claimed.Event.Payload), nil
	})
	if err != nil {
		return err
	}
	c.More = c.More || left
	var next int64
	if err := w.stmts.nextDue.Row(rawsqlite.Int(micros(r.Now))).Scan(&next); err != nil {
		return err
	}
	c.MayBeDue(fromMicros(next))
	return nil
}

// dueDelivery is a due delivery without a lease.
type dueDelivery struct {
	id, subscription event.ID
	at               time.Time
}

// allDue finds all due deliveries, if they are within the limit.
func (w *writer) allDue(r *event.ClaimRequest, c *event.Claim) (lanes []lane, all bool, err error) {
	rows := w.stmts.dueAll.Query(rawsqlite.Int(micros(r.Now)), rawsqlite.Int(int64(r.Limit)+1))
	defer rows.Close()
	var due []dueDelivery
	for rows.Next() {
		var d dueDelivery
		if err := rows.Scan(idScan{&d.id}, idScan{&d.subscription}, timeScan{&d.at}); err != nil {
			return nil, false, err
		}
		due = append(due, d)
	}
	if rows.Err() != nil || len(due) > r.Limit {
		return nil, false, rows.Err()
	}
	lanes, err = w.applyGates(due, r, c)
	return lanes, true, err
}

// applyGates returns the lanes of the deliveries that the gates permit. It parks those whose gate is
// closed for long.
func (w *writer) applyGates(due []dueDelivery, r *event.ClaimRequest, c *event.Claim) ([]lane, error) {
	var lanes event.Lanes[event.ID]
	gates := map[event.ID]event.Gate{}
	var parked []event.ID
	for _, d := range due {
		g, known := gates[d.subscription]
		if !known {
			var err error
			if g, err = w.gate(d.subscription); err != nil {
				return nil, err
			}
			gates[d.subscription] = g
		}
		lane := lanes.Of(d.subscription, *r)
		switch {
		case !d.at.After(g.DueUntil(r.Now)):
			lane.Due = append(lane.Due, d.id)
		case g.Parks(r.Until):
			parked = append(parked, d.id)
		default:
			c.MayBeDue(g.Health.NotBefore)
		}
	}
	c.Parked += len(parked)
	return lanes.List, w.park(parked)
}

// walkDue walks through the subscriptions with due deliveries, from where the last walk
// stopped. It stops when it has found as many lanes as the claim may lease deliveries, or has
// visited maxWalk subscriptions. more reports whether it did not visit all of them.
func (s *Store) walkDue(w *writer, r *event.ClaimRequest, c *event.Claim) (lanes []lane, more bool, err error) {
	at, start, wrapped := s.cursor, s.cursor, false
	more = true
	until := map[event.ID]time.Time{}
	for range maxWalk {
		var next event.ID
		err := w.stmts.nextWaiting.Row(rawsqlite.Blob(at[:])).Scan(idScan{&next})
		if errors.Is(err, sql.ErrNoRows) && !wrapped {
			at, wrapped = event.ID{}, true
			continue
		}
		if errors.Is(err, sql.ErrNoRows) || err == nil && wrapped && bytes.Compare(next[:], start[:]) > 0 {
			more = false
			break
		}
		if err != nil {
			return nil, false, err
		}
		at = next
		lane, err := w.dueOf(next, r, c, until)
		if err != nil {
			return nil, false, err
		}
		if len(lane.Due) > 0 || lane.More {
			lanes = append(lanes, lane)
		}
		if len(lanes) == r.Limit {
			break
		}
	}
	s.cursor = at
	return lanes, more, w.fill(lanes, r, until)
}

// dueOf finds the first due deliveries of a subscription that its gate permits, and sets until to
// the latest due time that the gate permits. If the gate is closed for long, it parks the others.
func (w *writer) dueOf(sub event.ID, r *event.ClaimRequest, c *event.Claim, until map[event.ID]time.Time) (lane, error) {
	lane := lane{Subscription: sub, Capacity: r.CapacityFor(sub)}
	g, err := w.gate(sub)
	if err != nil {
		return lane, err
	}
	pass := g.DueUntil(r.Now)
	until[sub] = pass
	if pass.Before(r.Now) {
		if err := w.parkOf(sub, g, r, c); err != nil || pass.IsZero() {
			return lane, err
		}
	}
	err = w.appendDue(&lane, pass, min(walkFirst, lane.Capacity))
	return lane, err
}

// parkOf parks the due deliveries of a subscription that its gate does not permit.
func (w *writer) parkOf(sub event.ID, g event.Gate, r *event.ClaimRequest, c *event.Claim) error {
	if !g.Parks(r.Until) {
		c.MayBeDue(g.Health.NotBefore)
		return nil
	}
	n, err := w.stmts.park.Exec(rawsqlite.Text(event.ParkedOwner), rawsqlite.Int(micros(event.ParkedUntil)),
		rawsqlite.Blob(sub[:]), rawsqlite.Int(micros(g.DueUntil(r.Now))), rawsqlite.Int(micros(r.Now)), rawsqlite.Int(int64(max(0, event.MaxParked-c.Parked))))
	c.Parked += int(n)
	return err
}

// fill adds more deliveries to the lanes that have more, if the walk did not find enough.
func (w *writer) fill(lanes []lane, r *event.ClaimRequest, until map[event.ID]time.Time) error {
	missing := r.Limit
	for i := range lanes {
		missing -= len(lanes[i].Due)
	}
	for i := range lanes {
		lane := &lanes[i]
		if missing <= 0 {
			return nil
		}
		if !lane.More || lane.Capacity <= walkFirst {
			continue
		}
		if err := w.appendDue(lane, until[lane.Subscription], min(missing, lane.Capacity-walkFirst)); err != nil {
			return err
		}
	}
	return nil
}

// appendDue adds to a lane at most most deliveries that were due by the given time. It reads one
// more to know whether there are more.
func (w *writer) appendDue(lane *lane, until time.Time, most int) error {
	rows := w.stmts.dueOf.Query(rawsqlite.Blob(lane.Subscription[:]), rawsqlite.Int(micros(until)), rawsqlite.Int(int64(most)+1), rawsqlite.Int(int64(len(lane.Due))))
	defer rows.Close()
	most += len(lane.Due)
	lane.More = false
	for rows.Next() {
		if len(lane.Due) == most {
			lane.More = true
			break
		}
		var id event.ID
		if err := rows.Scan(idScan{&id}); err != nil {
			return err
		}
		lane.Due = append(lane.Due, id)
	}
	return rows.Err()
}

// lease leases a delivery, or fails it if its event is not intact.
func (w *writer) lease(id event.ID, r *event.ClaimRequest) (c event.Claimed, intact bool, err error) {
	c = event.Claimed{Delivery: event.Delivery{ID: id, LeaseOwner: r.Owner, LeasedUntil: r.Until}}
	d, e := &c.Delivery, &c.Event
	var sum int64
	var retry bool
	if err := w.stmts.claimed.Row(rawsqlite.Blob(id[:])).Scan(idScan{&d.EventID}, idScan{&d.SubscriptionID}, &d.Attempts,
		timeScan{&d.DueAt}, timeScan{&d.CreatedAt}, timeScan{&d.DeliveredAt}, &d.Round, &d.RoundFrom, &d.Stray, &e.Type, &e.ContentType, &e.Payload, timeScan{&e.CreatedAt},
		&e.TenantNo, &retry, &e.DataAt, &e.DataLen, &sum); err != nil {
		return c, false, err
	}
	e.ID, e.SingleAttempt = d.EventID, !retry
	if !isIntact(e, sum) {
		return c, false, w.failDamaged(*d, r)
	}
	_, err = w.stmts.lease.Exec(rawsqlite.Text(r.Owner), rawsqlite.Int(micros(r.Until)), rawsqlite.Blob(id[:]))
	return c, true, err
}
