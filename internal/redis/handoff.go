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
	// streamMost is how many deliveries may be on their way, waiting here and in the
	// stream. What comes beyond is left to the database: the workers can't keep up.
	streamMost = 1024
	// unreadTime is how long what is on its way may take to be read: a subscription may
	// have as many on their way as the workers read in so long, between laneLeast and
	// laneMost, and only laneLeast once half of streamMost is on its way. One subscription
	// never fills the stream, and nothing in it becomes too old.
	unreadTime = 100 * time.Millisecond
	laneLeast  = 16
	laneMost   = 256
	// goodPace is how many a second the workers read at least if they are the limit, and
	// not a lack of them or endpoints that hold all they may have in flight.
	goodPace = 512
	// bytesMost bounds the payloads of those that wait here.
	bytesMost = 16 << 20
	// batchMost is how many are passed on in one exchange.
	batchMost = 128
	// fullPause is how long a subscription without capacity at a worker is left to the
	// database, and refusedPause all of them after Redis has refused one, for want of
	// memory as a rule, or after nobody read one.
	fullPause    = 250 * time.Millisecond
	refusedPause = time.Second
	// lookAgain is how often a stream that is not empty is looked at.
	lookAgain = 50 * time.Millisecond
	// lookSoon is how often if publishers wait for it.
	lookSoon = 5 * time.Millisecond
	// unreadMore is by how much more than Redis's patience an entry has aged when it is
	// taken back: no worker reads, or the one that did died before it could delete it.
	unreadMore = 100 * time.Millisecond
)

const (
	streamName = "ready"
	groupName  = "workers"
	field      = "d"
)

// HandoffOptions are what a Handoff is made of.
type HandoffOptions struct {
	Owner string        // names the leases of what is passed on
	Lease time.Duration // how long one is
	// Release makes deliveries due again that could not be passed on.
	Release func(ctx context.Context, leases []event.LeaseKey) error
	// Behind is told whether the workers are behind with a subscription, and again in less
	// than 100 ms as long as they are. It must not block.
	Behind func(subscription event.ID, is bool)
}

// Handoff passes on what a node takes in and does not deliver itself. A delivery is
// stored with a lease in this node's name and goes, event and all, into a stream,
// where one worker reads it: no claim, no second read of the database. It takes the
// place of a dispatcher's Reserve, Deliver, Cancel and Overflow.
//
// Whatever goes wrong, the lease runs out and the delivery is due again. Where it is
// known at once, the lease is released at once.
type Handoff struct {
	c *Client
	o HandoffOptions

	queue  chan event.Claimed
	behind chan struct{} // gets a value when the first publishers are told that the workers are behind

	mu      sync.Mutex
	way     onWay
	refused time.Time              // when Redis last refused one, or one was taken back
	full    map[event.ID]time.Time // since when a subscription has no capacity at a worker
}

// NewHandoff makes a Handoff. Nothing is passed on before Run.
func NewHandoff(c *Client, o HandoffOptions) *Handoff {
	return &Handoff{c: c, o: o, queue: make(chan event.Claimed, streamMost), behind: make(chan struct{}, 1), way: newOnWay(), full: make(map[event.ID]time.Time)}
}

// Reserve says whether a delivery that is about to be stored may be passed on, and the
// lease to store it with. It is followed by exactly one Deliver or Cancel.
func (h *Handoff) Reserve(_ context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	now := time.Now()
	if !h.c.up.Load() || size > maxEntry || sub.Paused() || sub.Health.NotBefore.After(now) {
		return event.Lease{}, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused(sub.ID) {
		return event.Lease{}, false
	}
	if !h.way.reserve(sub.ID, size, now) {
		h.sayBehind(sub.ID, now)
		return event.Lease{}, false
	}
	return event.Lease{Owner: h.o.Owner, Until: now.Add(h.o.Lease)}, true
}

// sayBehind tells publishers of a subscription without capacity that the workers are
// behind, if that is why. The caller holds the lock.
func (h *Handoff) sayBehind(subscription event.ID, now time.Time) {
	looksSoon := len(h.way.behind) > 0
	if h.paused(anyID) || !h.way.isBehind(subscription, now) {
		return
	}
	h.o.Behind(subscription, true)
	if !looksSoon {
		select {
		case h.behind <- struct{}{}:
		default:
		}
	}
}

// paused reports whether a subscription is left to the database for now. The caller holds
// the lock.
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

// Full notes that a worker had no capacity for one of a subscription's deliveries, or, with
// anyID, that endpoints hold all that it may have in flight: then nobody is slowed down.
func (h *Handoff) Full(subscription event.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if subscription == anyID {
		h.way.release(h.o.Behind)
	}
	if len(h.full) >= streamMost { // of those that nobody has asked about since
		clear(h.full)
	}
	h.full[subscription] = time.Now()
}

// Deliver passes on what was stored with a reservation's lease. It never blocks.
func (h *Handoff) Deliver(c event.Claimed) { h.queue <- c }

// Cancel gives a reservation back.
func (h *Handoff) Cancel(subscription event.ID, size int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.way.cancel(subscription, size)
}

// Overflow does nothing: the store tells the workers what is due.
func (h *Handoff) Overflow(event.ID) {}

// Run passes on until ctx ends, and then what is left.
func (h *Handoff) Run(ctx context.Context) error {
	look, soon := time.NewTicker(lookAgain), time.NewTimer(lookSoon)
	defer look.Stop()
	defer soon.Stop()
	for {
		select {
		case c := <-h.queue:
			h.passOn(h.gather(c))
		case <-look.C:
			h.look(ctx)
		case <-h.behind:
			soon.Reset(lookSoon)
		case <-soon.C:
			if h.lookSoon(ctx) {
				soon.Reset(lookSoon)
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

// gather takes what has queued up behind the first, without waiting for more.
func (h *Handoff) gather(first event.Claimed) []event.Claimed {
	batch := []event.Claimed{first}
	for len(batch) < batchMost {
		select {
		case c := <-h.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// passOn puts a batch into the stream, in one exchange, and releases what Redis did
// not take.
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
		if _, err = pipe.Exec(ctx); away(err) {
			h.c.failed(err)
			<-ctx.Done() // Redis may have passed some on: they are not late at the worker, and have a moment to be made
		}
	}
	refused := h.noteAdded(batch, added)
	h.seen(length)
	h.c.o.Observer.PassedOn(len(batch) - len(refused))
	h.release(refused, err)
}

// noteAdded notes what is in the stream now, and returns the leases of what is not.
func (h *Handoff) noteAdded(batch []event.Claimed, added []*goredis.StringCmd) (refused []event.LeaseKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range batch {
		if added[i].Val() == "" {
			refused = append(refused, c.Delivery.LeaseKey())
			h.way.cancel(c.Delivery.SubscriptionID, len(c.Event.Payload))
			continue
		}
		h.way.add(c.Delivery.SubscriptionID, len(c.Event.Payload))
	}
	return refused
}

// seen takes in how many are in the stream, and tells publishers what follows from it.
func (h *Handoff) seen(length *goredis.IntCmd) {
	if length.Err() != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.way.seen(int(length.Val()), time.Now(), h.o.Behind)
}

// release makes due what could not be passed on.
func (h *Handoff) release(leases []event.LeaseKey, why error) {
	if len(leases) == 0 {
		return
	}
	if !away(why) {
		h.c.warn("Redis refuses new deliveries; the database carries them for a moment", "error", inWords(why), "deliveries", len(leases))
	}
	h.pauseAll()
	h.makeDue(leases)
}

// pauseAll leaves everything to the database for a moment.
func (h *Handoff) pauseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = time.Now()
}

func (h *Handoff) makeDue(leases []event.LeaseKey) {
	if err := h.o.Release(context.Background(), leases); err != nil {
		h.c.warn("could not release leases; they run out by themselves", "error", err, "deliveries", len(leases))
	}
	h.c.o.Observer.Returned(len(leases))
}

// lookSoon sees how many are in the stream if publishers wait for that, and reports whether
// they do.
func (h *Handoff) lookSoon(ctx context.Context) bool {
	h.mu.Lock()
	if !h.c.up.Load() {
		h.way.release(h.o.Behind)
	}
	waits := len(h.way.behind) > 0
	h.mu.Unlock()
	if !waits {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, h.c.patience)
	defer cancel()
	length := h.c.redis.XLen(ctx, h.c.key(streamName))
	if away(length.Err()) {
		h.c.failed(length.Err())
	}
	h.seen(length)
	return true
}

// look sees whether the stream has emptied, and takes back what nobody reads, so that
// it waits no longer than if there were no Redis.
func (h *Handoff) look(ctx context.Context) {
	h.mu.Lock()
	isEmpty := h.way.backlog == 0
	h.mu.Unlock()
	if isEmpty || !h.c.up.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.c.patience)
	defer cancel()
	stream := h.c.key(streamName)
	pipe := h.c.redis.Pipeline()
	length := pipe.XLen(ctx, stream)
	before := h.c.now().Add(-h.c.patience - unreadMore).UnixMilli()
	old := pipe.XRangeN(ctx, stream, "-", strconv.FormatInt(before, 10), batchMost)
	if _, err := pipe.Exec(ctx); err != nil {
		if away(err) {
			h.c.failed(err)
		}
		return
	}
	h.seen(length)
	h.takeBack(ctx, old.Val())
}

// takeBack makes due what stayed in the stream, whichever node passed it on.
func (h *Handoff) takeBack(ctx context.Context, old []goredis.XMessage) {
	if len(old) == 0 {
		return
	}
	h.pauseAll()
	deleted, err := h.c.remove(ctx, old)
	if away(err) {
		h.c.failed(err)
	}
	h.mu.Lock()
	h.way.takenBack(count(deleted))
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
