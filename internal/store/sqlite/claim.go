package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

const (
	// walkMost is how many waiting subscriptions one fair claim looks at. The next
	// one goes on where it stopped, so all get their turn.
	walkMost = 1024
	// walkFirst is how many deliveries of each it looks at before it knows whether
	// there is capacity for more.
	walkFirst = 4
)

// waiting is the due deliveries of one subscription that may be claimed.
type waiting = event.Lane[event.ID]

// Claim leases due deliveries fairly.
//
// Where all that is due fits the limit, it is taken as it is. Otherwise the
// claim walks the subscriptions that wait, by an index that holds no others, and
// takes one delivery of each in turn: a subscription with a million due costs it
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
	lanes, all, err := w.allDue(r)
	if err != nil {
		return err
	}
	if !all {
		if lanes, c.More, err = s.walkDue(w, r); err != nil {
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
	c.NextDue = fromMicros(next)
	return nil
}

// allDue finds all that is due, if that is within the limit.
func (w *writer) allDue(r *event.ClaimRequest) (lanes []waiting, all bool, err error) {
	rows := w.stmts.dueAll.Query(rawsqlite.Int(micros(r.Now)), rawsqlite.Int(int64(r.Limit)+1))
	defer rows.Close()
	var found event.Lanes[event.ID]
	n := 0
	for ; rows.Next(); n++ {
		var id, sub event.ID
		if err := rows.Scan(idScan{&id}, idScan{&sub}); err != nil {
			return nil, false, err
		}
		lane := found.Of(sub, *r)
		lane.Due = append(lane.Due, id)
	}
	if rows.Err() != nil || n > r.Limit {
		return nil, false, rows.Err()
	}
	lanes = found.List
	for i := range lanes {
		if active, err := w.active(lanes[i].Subscription); err != nil {
			return nil, false, err
		} else if !active {
			lanes[i].Due = nil
		}
	}
	return lanes, true, nil
}

// walkDue goes round the subscriptions that wait, from where the last walk
// stopped, until it has seen as many with something due as may be claimed. more
// says that it did not come round.
func (s *Store) walkDue(w *writer, r *event.ClaimRequest) (lanes []waiting, more bool, err error) {
	at, start, wrapped := s.cursor, s.cursor, false
	more = true
	for range walkMost {
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
		lane, err := w.dueOf(next, r)
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
	return lanes, more, w.fill(lanes, r)
}

func (w *writer) dueOf(sub event.ID, r *event.ClaimRequest) (waiting, error) {
	lane := waiting{Subscription: sub, Capacity: r.CapacityFor(sub)}
	active, err := w.active(sub)
	if err != nil || !active {
		return lane, err
	}
	err = w.appendDue(&lane, r, min(walkFirst, lane.Capacity))
	return lane, err
}

// fill looks for more of the subscriptions that have more, if the first look did
// not find enough.
func (w *writer) fill(lanes []waiting, r *event.ClaimRequest) error {
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
		if err := w.appendDue(lane, r, min(missing, lane.Capacity-walkFirst)); err != nil {
			return err
		}
	}
	return nil
}

// appendDue looks for one more than it may take, to know whether there is more.
func (w *writer) appendDue(lane *waiting, r *event.ClaimRequest, most int) error {
	rows := w.stmts.dueOf.Query(rawsqlite.Blob(lane.Subscription[:]), rawsqlite.Int(micros(r.Now)), rawsqlite.Int(int64(most)+1), rawsqlite.Int(int64(len(lane.Due))))
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

func (w *writer) active(sub event.ID) (bool, error) {
	var active bool
	err := w.stmts.isActive.Row(rawsqlite.Blob(sub[:])).Scan(&active)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return active, err
}

// lease leases a delivery, or fails it if its event is not intact.
func (w *writer) lease(id event.ID, r *event.ClaimRequest) (c event.Claimed, intact bool, err error) {
	c = event.Claimed{Delivery: event.Delivery{ID: id, LeaseOwner: r.Owner, LeasedUntil: r.Until}}
	d, e := &c.Delivery, &c.Event
	var sum int64
	if err := w.stmts.claimed.Row(rawsqlite.Blob(id[:])).Scan(idScan{&d.EventID}, idScan{&d.SubscriptionID}, &d.Attempts,
		timeScan{&d.DueAt}, timeScan{&d.CreatedAt}, timeScan{&d.DeliveredAt}, &d.Round, &d.RoundFrom, &d.Stray, &e.Type, &e.ContentType, &e.Payload, timeScan{&e.CreatedAt}, &e.DataAt, &e.DataLen, &sum); err != nil {
		return c, false, err
	}
	if e.ID = d.EventID; !isIntact(e, sum) {
		return c, false, w.failDamaged(*d, r)
	}
	_, err = w.stmts.lease.Exec(rawsqlite.Text(r.Owner), rawsqlite.Int(micros(r.Until)), rawsqlite.Blob(id[:]))
	return c, true, err
}
