package sqlite

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// The only delivery of an event, if it is stored as already leased, has an implicit row: its
// event's row says all there is to say (the view all_deliveries has both kinds). It gets a row
// of its own when its first attempt has ended, and so is written once instead of twice. Whatever
// else concerns it asks ensureRow for one first.
//
// The tables call a delivery with a row of its own filed, and one with an implicit row unfiled.
//
// Which rows are implicit is remembered here, because finding them in the database means
// looking through the events of the last seconds. After a crash Open does just that.
type implicitRows struct {
	mu   sync.Mutex
	byID map[event.ID]implicitRow
	// What the transaction under way changes. Readers see a row that it writes as implicit
	// until it is on disk; then they find the row.
	added, written []event.ID
}

type implicitRow struct {
	seq          int64 // of its event
	subscription event.ID
	createdAt    time.Time
	owner        string
	until        time.Time
	written      bool // by the transaction under way
}

// get is for the writer: it returns what the transaction under way would find.
func (i *implicitRows) get(id event.ID) (implicitRow, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r, found := i.byID[id]
	return r, found && !r.written
}

// eventSeq is for readers: the event of a delivery whose row may be implicit.
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

// setWritten notes that the transaction under way writes the row.
func (i *implicitRows) setWritten(id event.ID, r implicitRow) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r.written = true
	i.byID[id] = r
	i.written = append(i.written, id)
}

// committed and rolledBack end the transaction under way.
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

// matching returns the ids of the deliveries for whose implicit rows match is true, in order: so
// their rows are written side by side, and the same each time.
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

// between is for readers: the deliveries with ids from first to last whose rows may be implicit.
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

// count is how many there are, as far as is on disk or about to be.
func (i *implicitRows) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.byID)
}

// firstSeq is the event of the oldest implicit row, also if the transaction under way writes
// it, or else next.
func (i *implicitRows) firstSeq(next int64) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.byID {
		next = min(next, r.seq)
	}
	return next
}

// ensureRow writes the row of a delivery whose row is implicit, as it is.
func (w *writer) ensureRow(id event.ID) error {
	r, implicit := w.implicit.get(id)
	if !implicit {
		return nil
	}
	return w.writeImplicit(r, &event.Delivery{
		ID: id, SubscriptionID: r.subscription, CreatedAt: r.createdAt, DueAt: r.createdAt, LeaseOwner: r.owner, LeasedUntil: r.until,
	})
}

// ensureRows does the same for all for which match is true.
func (w *writer) ensureRows(match func(implicitRow) bool) error {
	for _, id := range w.implicit.matching(match) {
		if err := w.ensureRow(id); err != nil {
			return err
		}
	}
	return nil
}

// writeImplicit writes the row of a delivery whose row is implicit, as d says.
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

// noteFiled writes down up to which event no row is implicit, if that is further than is
// written.
func (w *writer) noteFiled() error {
	first := w.implicit.firstSeq(w.nextSeq)
	if first <= w.filedTo {
		return nil
	}
	if _, err := w.stmts.noteFiled.Exec(rawsqlite.Int(first)); err != nil {
		return err
	}
	w.filedTo = first // if the transaction fails, it is written the next time it is further
	return nil
}

// writeOrphans writes a row, due now, for each delivery that a dead process left with an
// implicit one, and reads where this process goes on.
func (w *writer) writeOrphans() error {
	if _, err := w.conn.Exec(`INSERT INTO deliveries (id, event_seq, subscription_id, status, attempts, due_at,
		lease_owner, leased_until, created_at, settled_at)
		SELECT delivery_id, seq, subscription_id, 0, 0, created_at, NULL, 0, created_at, 0 FROM unfiled`); err != nil {
		return err
	}
	if err := w.conn.Row(`SELECT max(coalesce((SELECT max(seq) + 1 FROM events), 0), (SELECT seq FROM filed))`).Scan(&w.nextSeq); err != nil {
		return err
	}
	return w.noteFiled()
}
