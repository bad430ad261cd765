package redis

import (
	"context"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// maxInTransit is how many deliveries may be in transit, queued here and in the
	// stream. If there are more, the workers can't keep up, and the rest goes through the
	// database.
	maxInTransit = 1024
	// A subscription may have as many deliveries in transit as the workers read within
	// unreadTime, from minPerSubscription to maxPerSubscription. Once half of maxInTransit is
	// used, the limit is minPerSubscription. So one subscription never fills the stream, and no
	// entry becomes too old.
	unreadTime         = 100 * time.Millisecond
	minPerSubscription = 16
	maxPerSubscription = 256
	// busyRate is the smallest number of deliveries that the workers read in a second if they are
	// the bottleneck. If they read fewer, there is little to read, or endpoints use all their slots.
	busyRate = 512
	// maxQueuedBytes limits the payloads of the deliveries that are queued here.
	maxQueuedBytes = 16 << 20
	// maxBatch is the largest number of deliveries that are passed on in one round trip.
	maxBatch = 128
	// fullPause is how long a subscription's deliveries go through the database after a worker
	// had no capacity for one. refusedPause is how long all deliveries do after Redis has refused
	// an entry, usually because its memory is full, or after an entry was reclaimed.
	fullPause    = 250 * time.Millisecond
	refusedPause = time.Second
	// inspectEvery is the time between two inspections of a stream that is not empty.
	inspectEvery = 50 * time.Millisecond
	// inspectSoon is the time between two inspections while publishers wait.
	inspectSoon = 5 * time.Millisecond
	// An entry is reclaimed once it is older than patience plus unreadGrace. Either no worker
	// reads the stream, or the worker that read the entry died before it could delete it.
	unreadGrace = 100 * time.Millisecond
)

const (
	streamName = "ready"
	groupName  = "workers"
	field      = "d"
)

// HandoffOptions configure a Handoff.
type HandoffOptions struct {
	Owner string        // of the leases of the deliveries that are passed on
	Lease time.Duration // how long a lease lasts
	// Release makes deliveries due again that could not be passed on.
	Release func(ctx context.Context, leases []event.LeaseKey) error
	// Behind is called when the workers are behind with a subscription, and when they no longer
	// are. While they are, it is called at least every 100 ms. It must not block.
	Behind func(subscription event.ID, is bool)
}

// Handoff passes deliveries from a node that accepts events to the workers. A delivery is
// stored with a lease of this node and goes, with its event, into a stream, from which one
// worker reads it. So the worker needs no claim and does not read the event from the database.
// Handoff has the methods Reserve, TryReserve, Deliver, Cancel and Overflow of a dispatcher.
//
// If anything goes wrong, the lease runs out and the delivery is due again. If Handoff notices
// the failure, it releases the lease at once.
type Handoff struct {
	c *Client
	o HandoffOptions

	queue  chan event.Claimed
	behind chan struct{} // receives a value when publishers begin to wait for the workers

	mu      sync.Mutex
	transit inTransit
	refused time.Time              // when Redis last refused an entry, or one was reclaimed
	full    map[event.ID]time.Time // when a worker last had no capacity for a subscription
}

// NewHandoff returns a Handoff. It passes nothing on before Run.
func NewHandoff(c *Client, o HandoffOptions) *Handoff {
	return &Handoff{c: c, o: o, queue: make(chan event.Claimed, maxInTransit), behind: make(chan struct{}, 1), transit: newInTransit(), full: make(map[event.ID]time.Time)}
}

// Reserve reserves capacity for a delivery that is about to be stored. If it succeeds, it
// returns the lease to store the delivery with, and the caller calls Deliver or Cancel exactly
// once. If the workers are behind with the subscription, Reserve reports that.
func (h *Handoff) Reserve(_ context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	return h.reserve(&sub, size, h.reportBehind)
}

// TryReserve is like Reserve, for an event with several deliveries. It reports nothing: such an
// event does not slow publishers down.
func (h *Handoff) TryReserve(sub event.Subscription, size int) (event.Lease, bool) {
	return h.reserve(&sub, size, func(event.ID, time.Time) {})
}

// reserve reserves capacity. It calls full, under the lock, if the subscription has none.
func (h *Handoff) reserve(sub *event.Subscription, size int, full func(event.ID, time.Time)) (event.Lease, bool) {
	now := time.Now()
	if !h.c.up.Load() || size > maxEntry || sub.Paused() || sub.Health.NotBefore.After(now) {
		return event.Lease{}, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused(sub.ID) {
		return event.Lease{}, false
	}
	if !h.transit.reserve(sub.ID, size, now) {
		full(sub.ID, now)
		return event.Lease{}, false
	}
	return event.Lease{Owner: h.o.Owner, Until: now.Add(h.o.Lease)}, true
}

// reportBehind reports that the workers are behind with a subscription, if that is why it has
// no capacity. The caller holds the lock.
func (h *Handoff) reportBehind(subscription event.ID, now time.Time) {
	inspectsSoon := len(h.transit.behind) > 0
	if h.paused(anyID) || !h.transit.isBehind(subscription, now) {
		return
	}
	h.o.Behind(subscription, true)
	if !inspectsSoon {
		select {
		case h.behind <- struct{}{}:
		default:
		}
	}
}

// paused reports whether a subscription's deliveries go through the database for now. The caller
// holds the lock.
func (h *Handoff) paused(subscription event.ID) bool {
	if time.Since(h.refused) < refusedPause {
		return true
	}
	since, full := h.full[subscription]
	if full && time.Since(since) >= fullPause {
		delete(h.full, subscription)
		return false
	}
	return full
}

// Full records that a worker had no capacity for one of a subscription's deliveries. With anyID,
// it records that endpoints use all slots of a worker, and then no publisher is slowed down.
func (h *Handoff) Full(subscription event.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if subscription == anyID {
		h.transit.release(h.o.Behind)
	}
	if len(h.full) >= maxInTransit { // most are stale: paused was not called for them since
		clear(h.full)
	}
	h.full[subscription] = time.Now()
}

// Deliver passes on a delivery that was stored with the lease of a reservation. It never blocks.
func (h *Handoff) Deliver(c event.Claimed) { h.queue <- c }

// Cancel releases a reservation.
func (h *Handoff) Cancel(subscription event.ID, size int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transit.cancel(subscription, size)
}

// Overflow does nothing, because the store notifies the workers of due deliveries.
func (h *Handoff) Overflow(event.ID) {}

// Run passes deliveries on until ctx ends, and then those that are still queued.
func (h *Handoff) Run(ctx context.Context) error {
	inspect, soon := time.NewTicker(inspectEvery), time.NewTimer(inspectSoon)
	defer inspect.Stop()
	defer soon.Stop()
	for {
		select {
		case c := <-h.queue:
			h.passOn(h.gather(c))
		case <-inspect.C:
			h.inspect(ctx)
		case <-h.behind:
			soon.Reset(inspectSoon)
		case <-soon.C:
			if h.inspectSoon(ctx) {
				soon.Reset(inspectSoon)
			}
		case <-ctx.Done():
			for {
				select {
				case c := <-h.queue:
					h.passOn(h.gather(c))
				default:
					return nil
				}
			}
		}
	}
}

// gather returns a batch of the first delivery and those that are queued behind it. It does not
// wait.
func (h *Handoff) gather(first event.Claimed) []event.Claimed {
	batch := []event.Claimed{first}
	for len(batch) < maxBatch {
		select {
		case c := <-h.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// passOn adds a batch to the stream in one round trip, and releases what Redis refused.
func (h *Handoff) passOn(batch []event.Claimed) {
	ctx, cancel := context.WithTimeout(context.Background(), h.c.patience)
	defer cancel()
	pipe := h.c.redis.Pipeline()
	added := make([]*goredis.StringCmd, len(batch))
	sent := h.c.now()
	for i, c := range batch {
		c.Delivery.LeasedUntil = sent.Add(time.Until(c.Delivery.LeasedUntil))
		added[i] = pipe.XAdd(ctx, &goredis.XAddArgs{Stream: h.c.key(streamName), Values: []any{field, encode(c, sent)}})
	}
	length := pipe.XLen(ctx, h.c.key(streamName))
	err := h.c.Failure()
	if err == nil {
		if _, err = pipe.Exec(ctx); isUnavailable(err) {
			h.c.markDown(err)
			<-ctx.Done() // Redis may have added some of them: give the workers time to deliver those
		}
	}
	refused := h.recordAdded(batch, added)
	h.observeLength(length)
	h.c.o.Observer.PassedOn(len(batch) - len(refused))
	h.release(refused, err)
}

// recordAdded records which of a batch are in the stream, and returns the leases of the others.
func (h *Handoff) recordAdded(batch []event.Claimed, added []*goredis.StringCmd) (refused []event.LeaseKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range batch {
		if added[i].Val() == "" {
			refused = append(refused, c.Delivery.LeaseKey())
			h.transit.cancel(c.Delivery.SubscriptionID, len(c.Event.Payload))
			continue
		}
		h.transit.add(c.Delivery.SubscriptionID, len(c.Event.Payload))
	}
	return refused
}

// observeLength records the length of the stream, and reports for which subscriptions the workers
// are behind.
func (h *Handoff) observeLength(length *goredis.IntCmd) {
	if length.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transit.observeLength(int(length.Val()), time.Now(), h.o.Behind)
}

// release makes deliveries due again that could not be passed on.
func (h *Handoff) release(leases []event.LeaseKey, why error) {
	if len(leases) == 0 {
		return
	}
	if !isUnavailable(why) {
		h.c.warn("Redis refuses new deliveries; they go through the database for now", "error", describe(why), "deliveries", len(leases))
	}
	h.pauseAll()
	h.makeDue(leases)
}

// pauseAll makes all deliveries go through the database for refusedPause.
func (h *Handoff) pauseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = time.Now()
}

func (h *Handoff) makeDue(leases []event.LeaseKey) {
	if err := h.o.Release(context.Background(), leases); err != nil {
		h.c.warn("could not release leases; their deliveries are due again when the leases run out", "error", err, "deliveries", len(leases))
	}
	h.c.o.Observer.Returned(len(leases))
}

// inspectSoon reads the length of the stream if publishers wait for the workers, and reports whether
// they do.
func (h *Handoff) inspectSoon(ctx context.Context) bool {
	h.mu.Lock()
	if !h.c.up.Load() {
		h.transit.release(h.o.Behind)
	}
	waits := len(h.transit.behind) > 0
	h.mu.Unlock()
	if !waits {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, h.c.patience)
	defer cancel()
	length := h.c.redis.XLen(ctx, h.c.key(streamName))
	if isUnavailable(length.Err()) {
		h.c.markDown(length.Err())
	}
	h.observeLength(length)
	return true
}

// inspect reads the length of the stream, and reclaims entries that no worker reads, so that
// their deliveries do not wait for their leases to run out.
func (h *Handoff) inspect(ctx context.Context) {
	h.mu.Lock()
	isEmpty := h.transit.backlog == 0
	h.mu.Unlock()
	if isEmpty || !h.c.up.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.c.patience)
	defer cancel()
	stream := h.c.key(streamName)
	pipe := h.c.redis.Pipeline()
	length := pipe.XLen(ctx, stream)
	before := h.c.now().Add(-h.c.patience - unreadGrace).UnixMilli()
	old := pipe.XRangeN(ctx, stream, "-", strconv.FormatInt(before, 10), maxBatch)
	if _, err := pipe.Exec(ctx); err != nil {
		if isUnavailable(err) {
			h.c.markDown(err)
		}
		return
	}
	h.observeLength(length)
	h.reclaim(ctx, old.Val())
}

// reclaim removes old entries of any node from the stream, and makes their deliveries due again.
func (h *Handoff) reclaim(ctx context.Context, old []goredis.XMessage) {
	if len(old) == 0 {
		return
	}
	h.pauseAll()
	deleted, err := h.c.remove(ctx, old)
	if isUnavailable(err) {
		h.c.markDown(err)
	}
	h.mu.Lock()
	h.transit.reclaimed(count(deleted))
	h.mu.Unlock()
	var unread []event.LeaseKey
	for i, m := range old {
		text, _ := m.Values[field].(string)
		if c, _, err := decode(text); err == nil && deleted[i] {
			unread = append(unread, c.Delivery.LeaseKey())
		}
	}
	if len(unread) > 0 {
		h.makeDue(unread)
	}
}

func count(flags []bool) (n int) {
	for _, is := range flags {
		if is {
			n++
		}
	}
	return n
}
