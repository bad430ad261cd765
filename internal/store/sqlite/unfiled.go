package sqlite

import (
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite/rawsqlite"
)

// A delivery that is stored as already claimed is unfiled: its event's row is all there is
// of it, and says so (the view all_deliveries has both kinds). It gets a row of its own when
// there is something to say that the event's row does not: when its first attempt has ended,
// as a rule, and then it is written once, with how it ended. When its lease is renewed, ended
// or given back, or its subscription is deleted, it is filed, too.
//
// What is unfiled is remembered here as well, because finding it in the file means looking
// through the events of the last seconds. After a crash Open does just that.
type unfiled struct {
	mu   sync.Mutex
	byID map[event.ID]entry
	// What the transaction under way changes. Whoever reads sees what it files as unfiled
	// until it is on disk: then it finds the row.
	added, filed []event.ID
}

type entry struct {
	seq          int64 // of its event
	subscription event.ID
	createdAt    int64
	owner        string
	until        time.Time
	filed        bool // by the transaction under way
}

// of is for the writer: it returns what the transaction under way would find.
func (u *unfiled) of(id event.ID) (entry, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e, found := u.byID[id]
	return e, found && !e.filed
}

// seq is for whoever reads: the event of a delivery that may be unfiled.
func (u *unfiled) seq(id event.ID) (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e, found := u.byID[id]
	return e.seq, found
}

func (u *unfiled) add(id event.ID, e entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byID[id] = e
	u.added = append(u.added, id)
}

func (u *unfiled) file(id event.ID, e entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e.filed = true
	u.byID[id] = e
	u.filed = append(u.filed, id)
}

// committed and rolledBack end the transaction under way.
func (u *unfiled) committed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range u.filed {
		delete(u.byID, id)
	}
	u.added, u.filed = u.added[:0], u.filed[:0]
}

func (u *unfiled) rolledBack() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range u.filed {
		e := u.byID[id]
		e.filed = false
		u.byID[id] = e
	}
	for _, id := range u.added {
		delete(u.byID, id)
	}
	u.added, u.filed = u.added[:0], u.filed[:0]
}

// those are the unfiled that which is true of.
func (u *unfiled) those(which func(entry) bool) (ids []event.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, e := range u.byID {
		if !e.filed && which(e) {
			ids = append(ids, id)
		}
	}
	return ids
}

// count is how many there are, as far as is on disk or about to be.
func (u *unfiled) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.byID)
}

// first is the event of the oldest that is unfiled, also if the transaction under way files it,
// or else next.
func (u *unfiled) first(next int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.byID {
		next = min(next, e.seq)
	}
	return next
}

// standing is what a delivery's row says besides what never changes.
type standing struct {
	status, attempts, dueAt, leasedUntil, settledAt int64
	owner                                           string // "" is nobody
}

// file writes the row of a delivery that has none.
func (w *writer) file(id event.ID, e entry, s standing) error {
	if _, err := w.stmts.insertDelivery.Exec(rawsqlite.Blob(id[:]), rawsqlite.Int(e.seq), rawsqlite.Blob(e.subscription[:]), rawsqlite.Int(s.status), rawsqlite.Int(s.attempts),
		rawsqlite.Int(s.dueAt), rawsqlite.TextOrNull(s.owner), rawsqlite.Int(s.leasedUntil), rawsqlite.Int(e.createdAt), rawsqlite.Int(s.settledAt)); err != nil {
		return err
	}
	w.unfiled.file(id, e)
	return nil
}

// fileAll files those that which is true of, all alike, and returns how many.
func (w *writer) fileAll(which func(entry) bool, as func(entry) standing) (int64, error) {
	ids := w.unfiled.those(which)
	for _, id := range ids {
		e, _ := w.unfiled.of(id)
		if err := w.file(id, e, as(e)); err != nil {
			return 0, err
		}
	}
	return int64(len(ids)), nil
}

// asDue is the row of one that nobody works on any more.
func asDue(e entry) standing { return standing{dueAt: e.createdAt} }

// noteFiled writes down up to where all is filed, if that is further than is written.
func (w *writer) noteFiled() error {
	first := w.unfiled.first(w.nextSeq)
	if first <= w.filedTo {
		return nil
	}
	if _, err := w.stmts.noteFiled.Exec(rawsqlite.Int(first)); err != nil {
		return err
	}
	w.filedTo = first // where the transaction fails, it is written the next time it is further
	return nil
}

// fileLeftOver files what a process has left unfiled that is no more, as due, and reads
// where this one goes on.
func (w *writer) fileLeftOver() error {
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
