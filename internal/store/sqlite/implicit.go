package sqlite

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// If an event has only one delivery, and it is stored as already leased, the delivery has an
// implicit row: the row of the event contains all its data. (The view all_deliveries has both
// kinds of rows.) The delivery gets a row of its own when its first attempt ends, so most
// deliveries are written once instead of twice. Code that changes the delivery in another way
// calls ensureRow first, which writes the row.
//
// In the names of tables, a delivery with its own row is filed, and one with an implicit row is
// unfiled.
//
// implicitRows holds the implicit rows in memory. To find them in the database means to read the
// events of the last seconds. Open does that after a crash.
type implicitRows struct {
	mu   sync.Mutex
	byID map[event.ID]implicitRow
	// The changes of the current transaction. To readers, a row that it writes stays implicit
	// until the transaction is on disk.
	added, written []event.ID
}

type implicitRow struct {
	seq          int64 // of its event
	subscription event.ID
	createdAt    time.Time
	owner        string
	until        time.Time
	written      bool // by the current transaction
}

// get returns an implicit row as the current transaction sees it. It is for the writer.
func (i *implicitRows) get(id event.ID) (implicitRow, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r, found := i.byID[id]
	return r, found && !r.written
}

// eventSeq returns the event of a delivery whose row may be implicit. It is for readers.
func (i *implicitRows) eventSeq(id event.ID) (int64, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r, found := i.byID[id]
	return r.seq, found
}

func (i *implicitRows) add(id event.ID, r implicitRow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byID[id] = r
	i.added = append(i.added, id)
}

// setWritten records that the current transaction writes the row.
func (i *implicitRows) setWritten(id event.ID, r implicitRow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r.written = true
	i.byID[id] = r
	i.written = append(i.written, id)
}

// committed and rolledBack end the current transaction.
func (i *implicitRows) committed() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range i.written {
		delete(i.byID, id)
	}
	i.added, i.written = i.added[:0], i.written[:0]
}

func (i *implicitRows) rolledBack() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range i.written {
		r := i.byID[id]
		r.written = false
		i.byID[id] = r
	}
	for _, id := range i.added {
		delete(i.byID, id)
	}
	i.added, i.written = i.added[:0], i.written[:0]
}

// matching returns the ids of the deliveries whose implicit rows match, in order, so that their
// rows are written next to each other and always in the same order.
func (i *implicitRows) matching(match func(implicitRow) bool) (ids []event.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, r := range i.byID {
		if !r.written && match(r) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// between returns the deliveries with ids from first to last whose rows may be implicit. It is for
// readers.
func (i *implicitRows) between(first, last event.ID) (ids []event.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id := range i.byID {
		if bytes.Compare(id[:], first[:]) >= 0 && bytes.Compare(id[:], last[:]) <= 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// count returns the number of implicit rows, including those that the current transaction adds or
// writes.
func (i *implicitRows) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.byID)
}

// firstSeq returns the event of the oldest implicit row, even if the current transaction writes
// that row, or next if there is no implicit row.
func (i *implicitRows) firstSeq(next int64) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.byID {
		next = min(next, r.seq)
	}
	return next
}

// ensureRow writes the row of a delivery if it is implicit. It does not change the delivery.
func (w *writer) ensureRow(id event.ID) error {
	r, implicit := w.implicit.get(id)
	if !implicit {
		return nil
	}
	return w.writeImplicit(r, &event.Delivery{
		ID: id, SubscriptionID: r.subscription, CreatedAt: r.createdAt, DueAt: r.createdAt, LeaseOwner: r.owner, LeasedUntil: r.until,
	})
}

// ensureRows calls ensureRow for all implicit rows that match.
func (w *writer) ensureRows(match func(implicitRow) bool) error {
	for _, id := range w.implicit.matching(match) {
		if err := w.ensureRow(id); err != nil {
			return err
		}
	}
	return nil
}

// writeImplicit writes the row of a delivery whose row is implicit, with the values of d.
func (w *writer) writeImplicit(r implicitRow, d *event.Delivery) error {
	if err := w.insertRow(r.seq, d); err != nil {
		return err
	}
	w.implicit.setWritten(d.ID, r)
	return nil
}

// insertRow writes the row of a delivery in its first round.
func (w *writer) insertRow(eventSeq int64, d *event.Delivery) error {
	return w.stmts.insertDelivery.Add(rawsqlite.Blob(d.ID[:]), rawsqlite.Int(eventSeq), rawsqlite.Blob(d.SubscriptionID[:]),
		rawsqlite.Int(int64(d.Status)), rawsqlite.Int(int64(d.Attempts)), rawsqlite.Int(micros(d.DueAt)), rawsqlite.TextOrNull(d.LeaseOwner),
		rawsqlite.Int(micros(d.LeasedUntil)), rawsqlite.Int(micros(d.CreatedAt)), rawsqlite.Int(micros(d.SettledAt)))
}

// advanceFiled writes the first event that may have an implicit row to the table filed, if it has
// increased.
func (w *writer) advanceFiled() error {
	first := w.implicit.firstSeq(w.nextSeq)
	if first <= w.filedTo {
		return nil
	}
	if _, err := w.stmts.advanceFiled.Exec(rawsqlite.Int(first)); err != nil {
		return err
	}
	w.filedTo = first // if the transaction fails, the next call writes a later value
	return nil
}

// writeOrphans inserts a row for each delivery that a dead process has left with an implicit row.
// These deliveries are due. It also reads the number of the next event.
func (w *writer) writeOrphans() error {
	if _, err := w.conn.Exec(`INSERT INTO deliveries (id, event_seq, subscription_id, status, attempts, due_at,
		lease_owner, leased_until, created_at, settled_at)
		SELECT delivery_id, seq, subscription_id, 0, 0, created_at, NULL, 0, created_at, 0 FROM unfiled`); err != nil {
		return err
	}
	if err := w.conn.Row(`SELECT max(coalesce((SELECT max(seq) + 1 FROM events), 0), (SELECT seq FROM filed))`).Scan(&w.nextSeq); err != nil {
		return err
	}
	return w.advanceFiled()
}
