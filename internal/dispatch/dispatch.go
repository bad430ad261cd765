// Package dispatch is stage 3: it delivers events to their endpoints.
//
// A delivery arrives in one of three ways. Ingest hands over a delivery that it has just stored.
// An API node passes on a delivery that it has stored (both in handoff.go). Or Run claims a
// delivery that is due in the store: a retry, an overflow, or a delivery of a dead node. In each
// case it is queued in the lane of its subscription (lanes.go) until its turn, is attempted once
// (deliver, below), and its outcome is recorded (record.go). For a retry, the same row becomes
// due again, and Run claims it like any other.
//
// Start with Run, then read deliver. lease.go renews leases, pressure.go slows publishers down,
// health.go keeps track of failing endpoints, and attemptlog.go decides which attempts are logged.
package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/faultpoint"
)

// Store is the part of the store that the dispatcher uses; package store says what each
// method promises.
type Store interface {
	Claim(ctx context.Context, r event.ClaimRequest) (event.Claim, error)
	Record(ctx context.Context, settlements []event.Settlement) error
	Renew(ctx context.Context, leases []event.LeaseKey, until time.Time) (lost []event.LeaseKey, err error)
	Release(ctx context.Context, leases []event.LeaseKey) error
	Rescue(ctx context.Context, from, now time.Time) (int, error)
	Unpark(ctx context.Context, now time.Time, limit int) (int, error)
}

// Subscriptions returns the present state of a delivery's subscription.
type Subscriptions interface {
	Subscription(ctx context.Context, id event.ID) (event.Subscription, error)
}

// Sender makes one attempt. It returns no error, because the outcome contains what went wrong.
type Sender interface {
	Send(ctx context.Context, sub event.Subscription, c event.Claimed) event.Outcome
}

// RateLimiter applies the rate limits of subscriptions across all nodes.
type RateLimiter interface {
	// Take takes the right to start one attempt, of which there is one in each interval. If
	// there is none at present, it returns how long to wait before trying again. It does not
	// block for long: if the limiter is slow, the attempt may start.
	Take(ctx context.Context, subscription event.ID, interval time.Duration) (wait time.Duration)
}

// Observer counts attempts.
type Observer interface {
	InFlight(delta int)
	Attempt(s event.Settlement)
}

// Options configure a dispatcher.
type Options struct {
	Node          string // the owner of this node's leases; must be unique among all processes, including earlier ones
	Store         Store
	Subscriptions Subscriptions
	Sender        Sender
	RateLimiter   RateLimiter // nil: each node applies rate limits on its own
	Observer      Observer
	// Behind tells API nodes whether this node is behind with a subscription, see pressure.go.
	// It must not block. nil means that there are no such nodes.
	Behind func(subscription event.ID, is bool)
	Log    *slog.Logger
	// LogAllAttempts logs each attempt, not only failures.
	LogAllAttempts bool
	Policy         event.RetryPolicy
	Limits         Limits
	Lease          time.Duration // how long a lease lasts; it is renewed when less than two thirds are left
	Grace          time.Duration // how long Run waits for attempts under way before it stops
	// Gather is how long the outcome of an attempt may wait for others before it is recorded.
	// No caller waits for the record, and a commit costs the same for one outcome as for many.
	// If the process dies meanwhile, the attempts are made again.
	Gather time.Duration
	// Jitter and Starting are for a simulation that replays a run. Jitter returns the
	// random part of a retry's delay; nil means the runtime's generator. Starting is called
	// first in the goroutine of a delivery, so that the simulation knows which goroutine that
	// is; nil means no call.
	Jitter   func() float64
	Starting func(d event.Delivery)
}

const (
	maxClaim     = 256             // deliveries in one claim
	pollInterval = 1 * time.Second // the longest time between two claims; wake-ups are only hints and may be lost
	// rescueInterval is the time between two searches for leases that ran out, so a dead
	// node's work waits at most this much longer than its lease.
	rescueInterval = 2 * time.Second
)

// Dispatcher delivers events to their endpoints. It is safe for concurrent use.
type Dispatcher struct {
	o    Options
	wake chan struct{} // a hint to Run that a claim would find something

	mu           sync.Mutex
	lanes        *lanes
	leases       leaseList
	inFlight     int
	idleWorkers  []chan *work           // idle goroutines, most recently used last
	stopping     bool                   // accept no reservations, make no claims, start no attempts
	waiters      int                    // how many requests wait for capacity
	noneInFlight chan struct{}          // closed when stopping and nothing is in flight
	resume       *time.Timer            // starts deliveries of lanes that were delayed by a rate limit or a refusal
	shortWarned  time.Time              // when it last warned that the machine lacks descriptors; see short.go
	sealedUntil  map[event.ID]time.Time // when a subscription may be claimed again; see sealed.go

	attemptLog *attemptLog

	claims    int             // how many claims were made; only Run uses it
	leaseScan leaseScan       // only Run uses it
	failing   map[string]bool // by log message: the calls of the store that failed when last tried; only Run uses it

	attempts context.Context // of all attempts; ended when the grace period is over
	abort    context.CancelFunc
	recorder *recorder
}

// New returns a dispatcher. It delivers nothing before Run.
func New(o Options) *Dispatcher {
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Starting == nil {
		o.Starting = func(event.Delivery) {}
	}
	d := &Dispatcher{o: o, wake: make(chan struct{}, 1), lanes: newLanes(o.Limits), noneInFlight: make(chan struct{}), sealedUntil: map[event.ID]time.Time{}, attemptLog: newAttemptLog(), failing: map[string]bool{}}
	d.resume = time.AfterFunc(time.Hour, d.resumeThrottled)
	d.resume.Stop()
	d.attempts, d.abort = context.WithCancel(context.Background())
	d.recorder = newRecorder(recorderOptions{
		record: o.Store.Record, recorded: d.noteRecorded, release: d.releaseAll, log: o.Log, gather: o.Gather,
	})
	return d
}

// Run claims due deliveries and renews leases until ctx ends. Then it stops claiming, waits
// for the attempts under way, records them and releases the other deliveries. It returns nil
// if that is done within the grace period.
func (d *Dispatcher) Run(ctx context.Context) error {
	recorded := make(chan struct{})
	go func() { defer close(recorded); d.recorder.run() }()

	d.loop(ctx)
	err := d.stop()
	d.recorder.stop()
	<-recorded
	d.logSummary()
	return err
}

// loop tends leases, rescues, unparks and claims, each at its time, until ctx ends. If several are
// due, they run in this order. A select would choose at random, and a simulation could not be
// replayed.
func (d *Dispatcher) loop(ctx context.Context) {
	now := time.Now()
	tendAt, rescueAt, unparkAt := now.Add(d.o.Lease/3), now.Add(rescueInterval), now.Add(unparkInterval)
	claimAt, summaryAt := now, now.Add(summaryInterval)
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for ; ctx.Err() == nil; now = time.Now() {
		switch {
		case !now.Before(tendAt):
			d.tendLeases(ctx)
			tendAt = time.Now().Add(d.o.Lease / 3)
		case !now.Before(rescueAt):
			d.rescue(ctx)
			rescueAt = time.Now().Add(rescueInterval)
		case !now.Before(unparkAt):
			wait := d.unpark(ctx)
			unparkAt = time.Now().Add(wait)
		case !now.Before(summaryAt):
			d.logSummary()
			summaryAt = now.Add(summaryInterval)
		case !now.Before(claimAt) || d.takeHint():
			wait := d.claim(ctx)
			claimAt = time.Now().Add(wait)
		default:
			timer.Reset(min(tendAt.Sub(now), rescueAt.Sub(now), unparkAt.Sub(now), claimAt.Sub(now), summaryAt.Sub(now)))
			select {
			case <-ctx.Done():
			case <-timer.C:
			case <-d.wake:
				claimAt = now
			}
		}
	}
}

// claim claims one batch of due deliveries and puts them into the lanes. It returns how long
// to wait before the next batch. It claims only one batch, so that a long backlog never keeps
// Run from renewing leases.
func (d *Dispatcher) claim(ctx context.Context) time.Duration {
	wait, err := d.claimOnce(ctx)
	d.noteStore(ctx, "could not claim due deliveries; trying again", err)
	return wait
}

func (d *Dispatcher) claimOnce(ctx context.Context) (wait time.Duration, err error) {
	now := time.Now()
	d.mu.Lock()
	// This claim serves all hints so far. Hints are given under the lock. Taking them under the
	// lock, too, makes several hints cause one claim, in whichever order goroutines run.
	d.takeHint()
	d.startReady(now) // so that the capacity does not depend on whether the resume timer has fired
	total, one, capacityOf := d.lanes.capacity()
	d.lanes.overflowed = total <= 0
	d.excludeSealed(capacityOf, now)
	d.mu.Unlock()
	if total <= 0 {
		return pollInterval, nil
	}
	r := event.ClaimRequest{
		Owner: d.nextOwner(), Now: now, Until: now.Add(d.o.Lease),
		Limit: min(total, maxClaim), Capacity: one, CapacityOf: capacityOf, Bytes: d.o.Limits.BufferedBytes / 4,
	}
	// The claim continues if ctx ends. Otherwise the store could commit leases that no node
	// releases.
	claim, err := d.o.Store.Claim(context.WithoutCancel(ctx), r)
	if err != nil {
		return pollInterval, err
	}
	size, admitted := 0, 0
	for _, c := range claim.Deliveries {
		size += len(c.Event.Payload)
		if d.admit(ctx, c) {
			admitted++
		}
	}
	isFull := len(claim.Deliveries) == r.Limit || size >= r.Bytes
	d.mu.Lock()
	d.tellBehind(d.lanes.leftBehind(r, claim, isFull), time.Now())
	if claim.More {
		d.lanes.markOverflowed(r, claim.Deliveries)
	}
	d.mu.Unlock()
	if claim.More && isFull && admitted == len(claim.Deliveries) {
		return 0, nil // more are due, and the lanes are not full
	}
	if claim.Parked >= event.MaxParked {
		return parkPause, nil // there is more to park
	}
	if claim.NextDue.IsZero() {
		return pollInterval, nil
	}
	return min(pollInterval, max(0, time.Until(claim.NextDue))), nil
}

// startReady starts deliveries of all lanes that are ready, up to the node's limit. The caller
// holds the lock.
func (d *Dispatcher) startReady(now time.Time) {
	for d.inFlight < d.o.Limits.InFlight && !d.stopping {
		w := d.lanes.next(now)
		if w == nil {
			if at := d.lanes.nextStart(); !at.IsZero() {
				d.resume.Reset(time.Until(at))
			}
			return
		}
		d.inFlight++
		if last := len(d.idleWorkers) - 1; last >= 0 {
			d.idleWorkers[last] <- w
			d.idleWorkers = d.idleWorkers[:last]
		} else {
			go d.runWorker(w)
		}
	}
}

// resumeThrottled starts deliveries that a rate limit has delayed.
func (d *Dispatcher) resumeThrottled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.startReady(time.Now())
}

// maxIdleWorkers is how many idle goroutines are kept. A new goroutine for each delivery would
// take 2 % of the delivery's CPU time, mostly for growing its stack.
const maxIdleWorkers = 128

// runWorker delivers w, and then what is ready next. It ends when it is idle and maxIdleWorkers
// others are idle, too.
func (d *Dispatcher) runWorker(w *work) {
	next := make(chan *work, 1)
	for w != nil {
		d.drain(w)
		d.mu.Lock()
		kept := !d.stopping && len(d.idleWorkers) < maxIdleWorkers
		if kept {
			d.idleWorkers = append(d.idleWorkers, next)
		}
		d.mu.Unlock()
		if !kept {
			return
		}
		w = <-next // nil when stop has closed it
	}
}

// drain delivers w and then one delivery after another until none is ready.
func (d *Dispatcher) drain(w *work) {
	d.o.Observer.InFlight(1)
	defer d.o.Observer.InFlight(-1)
	for w != nil {
		d.o.Starting(w.claimed.Delivery)
		if wait := d.rateLimitDelay(w); wait > 0 {
			w = d.postpone(w, wait)
			continue
		}
		ended := d.deliver(w)
		if ended == resultUnsent && d.pauseUnsent(w) {
			continue
		}
		if ended == resultHeld {
			w = d.hold(w)
			continue
		}
		w = d.finish(w, ended)
	}
}

// rateLimitDelay asks the shared rate limiter whether w may start, and returns how long w has
// to wait. The lane itself limits only the rate of this node.
func (d *Dispatcher) rateLimitDelay(w *work) time.Duration {
	if d.o.RateLimiter == nil || w.interval == 0 {
		return 0
	}
	return d.o.RateLimiter.Take(d.attempts, w.claimed.Delivery.SubscriptionID, w.interval)
}

// deliver makes one attempt and queues its outcome to be recorded.
func (d *Dispatcher) deliver(w *work) result {
	sub, err := d.o.Subscriptions.Subscription(d.attempts, w.claimed.Delivery.SubscriptionID)
	switch {
	case errors.Is(err, event.ErrNotFound) || err == nil && sub.Deleted():
		d.forget(w) // the store has cancelled it
		return resultNeutral
	case err != nil || !sub.Active || sub.Paused():
		d.recorder.release(w)
		return resultNeutral
	case sub.Sealed != "":
		d.releaseSealed(w, sub)
		return resultNeutral
	}
	switch d.mayAttempt(w, &sub.Health) {
	case leaseLost:
		d.forget(w) // another node has leased it, or will
		return resultNeutral
	case refusedTooLong:
		d.recorder.add(w, d.refused(w, sub, time.Now()))
		return resultNeutral
	case endpointHeld:
		return resultHeld
	}

	faultpoint.Reach("dispatch: attempting")
	outcome := d.o.Sender.Send(d.attempts, sub, w.claimed)
	if d.attempts.Err() != nil && !outcome.Success() && outcome.StatusCode == 0 {
		d.recorder.release(w) // this node aborted the attempt, which says nothing about the endpoint
		return resultNeutral
	}
	if outcome.Short {
		d.warnShort(outcome)
		return resultUnsent
	}

	ended := time.Now()
	settlement := d.settle(w, &sub, outcome, ended)
	var released []*work
	settlement.Health, released = d.noteHealth(w, &sub.Health, &outcome, ended)
	d.o.Observer.Attempt(settlement)
	d.logAttempt(w, sub, settlement)
	d.recorder.add(w, settlement, released...)
	switch {
	case outcome.Success():
		return resultSuccess
	case outcome.Refused():
		return resultNeutral
	case outcome.Overloaded():
		return resultOverloaded
	}
	return resultNeutral
}

// settle decides what an attempt means for its delivery.
func (d *Dispatcher) settle(w *work, sub *event.Subscription, o event.Outcome, ended time.Time) event.Settlement {
	if w.claimed.Event.SingleAttempt {
		return event.SettleOnly(w.claimed.Delivery, o, ended)
	}
	return event.Settle(w.claimed.Delivery, o, sub.Policy(d.o.Policy), ended, d.o.Jitter())
}

// finish frees the slot of w and returns what this goroutine delivers next, or nil if nothing
// is ready.
func (d *Dispatcher) finish(w *work, ended result) *work {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lanes.finish(w, ended, now)
	w.claimed.Event.Payload = nil // to free memory: the outcome may wait long for the store
	if d.lanes.clearOverflow(w.lane) {
		d.hint()
	}
	if w.lane.isBehind {
		d.hintBehind(w.lane, d.lanes.keepsUp(w.lane, now), now)
	}
	next := d.reuseSlot(now)
	d.serveWaiters(w.lane)
	return next
}

// postpone puts w back into its lane and returns what this goroutine delivers next, or nil if
// nothing is ready.
func (d *Dispatcher) postpone(w *work, wait time.Duration) *work {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		d.lanes.finish(w, resultNeutral, now)
		d.recorder.release(w)
	} else {
		d.lanes.postpone(w, wait, now)
	}
	return d.reuseSlot(now)
}

// reuseSlot returns what a goroutine whose slot is free delivers next. If nothing is ready, it
// returns nil and gives up the slot. The caller holds the lock.
func (d *Dispatcher) reuseSlot(now time.Time) *work {
	if !d.stopping {
		if next := d.lanes.next(now); next != nil {
			d.startReady(now) // the lane may have grown
			return next
		}
	}
	d.inFlight--
	d.startReady(now) // starts nothing, but sets the resume timer
	if d.stopping && d.inFlight == 0 {
		close(d.noneInFlight)
	}
	return nil
}
