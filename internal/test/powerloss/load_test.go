package powerloss

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

const (
	workers = 3
	acts    = 14 // of each worker
	logSize = 96 << 10
	owner   = "node"
)

// load is the load on the store during a life.
type load struct {
	s    *sqlite.Store
	r    *recorder
	seed uint64
	ctx  context.Context

	mu    sync.Mutex
	clock time.Time
	rand  *rand.Rand // for ids
	subs  []event.ID
	err   error
}

// epoch returns when a life begins: long after the end of the one before.
func epoch(life int) time.Time {
	return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(life) * time.Hour)
}

// work opens the store in the recorder's directory, uses it, and closes it.
func (l *load) work() error {
	s, err := sqlite.Open(l.ctx, filepath.Join(l.r.dir, database), sqlite.Options{LogSize: logSize})
	if err != nil {
		return err
	}
	l.s = s
	for range 3 {
		l.subscribe()
	}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { l.worker(i) })
	}
	all.Wait()
	return errors.Join(l.err, s.Close())
}

// now returns a different time for each call.
func (l *load) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = l.clock.Add(time.Second)
	return l.clock
}

func (l *load) id(at time.Time) event.ID {
	id := event.FloorID(at)
	l.mu.Lock()
	defer l.mu.Unlock()
	binary.BigEndian.PutUint64(id[8:], l.rand.Uint64()>>2|1<<63)
	return id
}

func (l *load) subscribe() {
	now := l.now()
	sub := event.Subscription{ID: l.id(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	l.failed(l.s.CreateSubscription(l.ctx, sub))
	l.subs = append(l.subs, sub.ID)
}

func (l *load) failed(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
	return err != nil
}

// acknowledge records the result of a call.
func (l *load) acknowledge(who string, n note) {
	l.r.turn(who)
	l.r.add(step{kind: acknowledged, note: n})
}

// worker makes its calls one after another. held are the deliveries that it accepted with a lease,
// or claimed.
type worker struct {
	*load
	who  string
	rand *rand.Rand
	held []event.Delivery
}

func (l *load) worker(i int) {
	w := &worker{load: l, who: fmt.Sprintf("worker %d", i), rand: rand.New(rand.NewPCG(l.seed, uint64(i)))}
	for range acts {
		w.r.turn(w.who)
		w.act()
	}
}

func (w *worker) act() {
	switch n := w.rand.IntN(20); {
	case n < 10:
		w.accept()
	case n < 14:
		w.record()
	case n < 15:
		w.claim()
	case n < 16:
		w.failed(w.s.Release(w.ctx, w.take(2)))
	case n < 17:
		_, err := w.s.Renew(w.ctx, w.leases(), w.now().Add(time.Minute))
		w.failed(err)
	case n < 18:
		w.expire()
	case n < 19:
		_, err := w.s.Rescue(w.ctx, time.Time{}, w.now())
		w.failed(err)
	default:
		_, err := w.s.Count(w.ctx) // reads
		w.failed(err)
	}
}

// sizes are those of payloads, from less than a page to more than the log's buffer.
var sizes = []int{10, 300, 300, 1000, 1000, 1000, 3000, 3000, 9000, 9000, 20_000, 140_000}

func (w *worker) accept() {
	now := w.now()
	payload := make([]byte, sizes[w.rand.IntN(len(sizes))])
	for i := range payload {
		payload[i] = byte(w.rand.Uint32())
	}
	e := event.Event{ID: w.id(now), Type: "user.created", ContentType: "application/json", Payload: payload, CreatedAt: now}
	a := event.Acceptance{Event: e}
	for _, sub := range w.wanted() {
		d := event.Delivery{ID: event.DeliveryID(e.ID, sub), EventID: e.ID, SubscriptionID: sub, DueAt: now, CreatedAt: now}
		if w.rand.IntN(3) > 0 {
			d.LeaseOwner, d.LeasedUntil = owner, now.Add(time.Minute)
		}
		a.Deliveries = append(a.Deliveries, d)
	}
	if w.rand.IntN(4) == 0 && len(a.Deliveries) == 1 {
		a.IdempotencyKey = e.ID.String()
	}
	if _, err := w.s.Accept(w.ctx, a); w.failed(err) {
		return
	}
	for _, d := range a.Deliveries {
		w.acknowledge(w.who, note{delivery: d.ID, payload: sha256.Sum256(payload)})
		if d.LeaseOwner != "" {
			w.held = append(w.held, d)
		}
	}
}

// wanted returns the subscriptions of an event: usually one, sometimes several or none.
func (w *worker) wanted() []event.ID {
	switch w.rand.IntN(8) {
	case 0:
		return w.subs
	case 1:
		return nil
	}
	return w.subs[:1]
}

// record records an attempt of some of the held deliveries.
func (w *worker) record() {
	var settlements []event.Settlement
	now := w.now()
	for range 1 + w.rand.IntN(3) {
		if len(w.held) == 0 {
			break
		}
		d := w.held[0]
		w.held = w.held[1:]
		d.Attempts++
		d.Status, d.SettledAt = event.Delivered, now
		if w.rand.IntN(4) == 0 {
			d.Status, d.SettledAt, d.DueAt = event.Pending, time.Time{}, now
		}
		if d.Status != event.Pending {
			w.r.add(step{kind: acknowledged, note: note{delivery: d.ID, settling: true, at: now}})
		}
		settlements = append(settlements, event.Settlement{Delivery: d, Attempt: event.Attempt{
			ID: w.id(now), DeliveryID: d.ID, SubscriptionID: d.SubscriptionID, Number: d.Attempts,
			Outcome: event.Outcome{StartedAt: now, Response: make([]byte, w.rand.IntN(event.ExcerptLimit))},
		}})
	}
	if w.failed(w.s.Record(w.ctx, settlements)) {
		return
	}
	for _, s := range settlements {
		w.acknowledge(w.who, note{delivery: s.Delivery.ID, attempt: s.Attempt.ID, status: s.Delivery.Status, number: s.Attempt.Number})
	}
}

func (w *worker) claim() {
	now := w.now()
	c, err := w.s.Claim(w.ctx, event.ClaimRequest{Owner: owner, Now: now, Until: now.Add(time.Minute), Limit: 5, Capacity: 5})
	if w.failed(err) {
		return
	}
	for _, claimed := range c.Deliveries {
		w.held = append(w.held, claimed.Delivery)
	}
}

// expire deletes what was settled before some time.
func (w *worker) expire() {
	now := w.now()
	before := now.Add(-time.Duration(w.rand.IntN(30)) * time.Second)
	w.r.add(step{kind: acknowledged, note: note{expiring: true, at: before}})
	_, err := w.s.Expire(w.ctx, before, now, 100)
	w.failed(err)
}

// take removes and returns up to n of the held leases.
func (w *worker) take(n int) []event.LeaseKey {
	all := w.leases()
	n = min(n, len(all))
	w.held = w.held[n:]
	return all[:n]
}

func (w *worker) leases() (keys []event.LeaseKey) {
	for i := range w.held {
		keys = append(keys, w.held[i].LeaseKey())
	}
	return keys
}
