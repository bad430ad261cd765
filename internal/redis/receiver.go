package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

const (
	// block is how long a worker blocks in Redis for new entries. It also delays a stop by up
	// to that time, because entries that arrive meanwhile must be handled.
	block = 500 * time.Millisecond
	// maxRead is the largest number of entries that one round trip reads, and noCapacityPause is
	// how long a worker without capacity waits.
	maxRead         = 128
	noCapacityPause = 5 * time.Millisecond
)

// Dispatcher delivers what is read from the stream.
type Dispatcher interface {
	// Capacity estimates how many deliveries Offer would accept.
	Capacity() int
	// SlotsTaken reports whether there is no capacity because endpoints use all slots for
	// requests.
	SlotsTaken() bool
	// Offer accepts a delivery, or releases it in the store and returns false.
	Offer(ctx context.Context, c event.Claimed) bool
	// Release makes a delivery due again in the store.
	Release(c event.Claimed)
}

// Receiver reads the deliveries that other nodes pass on, and hands them to this node's dispatcher.
//
// The node that deletes an entry owns its delivery. That is the worker that is going to attempt
// it, or a node that reclaims it because no worker has read it. The group reads without
// acknowledgements. If a worker dies, its deliveries are recovered by their leases in the
// database, like all others, so there is only one way to take over work.
type Receiver struct {
	c        *Client
	d        Dispatcher
	toldFull map[event.ID]time.Time // when tellFull last sent a message for a subscription
}

// entry is an entry of the stream.
type entry struct {
	id   string
	text string
}

// NewReceiver returns a Receiver. It reads nothing before Run.
func NewReceiver(c *Client, d Dispatcher) *Receiver {
	return &Receiver{c: c, d: d, toldFull: map[event.ID]time.Time{}}
}

// Run reads until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch capacity := r.d.Capacity(); {
		case !r.c.up.Load():
			pause(ctx, pingEvery/5)
		case capacity <= 0:
			if r.d.SlotsTaken() {
				r.tellFull(anyID)
			}
			pause(ctx, noCapacityPause)
		default:
			r.readOnce(ctx, min(capacity, maxRead))
		}
	}
	return nil
}

// readOnce reads what is in the stream, or waits for new entries. The end of ctx does not
// interrupt it, because Redis may be sending entries at that moment.
func (r *Receiver) readOnce(ctx context.Context, most int) {
	exchange := context.WithoutCancel(ctx)
	entries, err := r.read(exchange, most)
	if err == nil && len(entries) == 0 {
		entries, err = r.await(exchange, most)
	}
	for _, e := range entries {
		r.take(ctx, e)
	}
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "NOGROUP"), strings.HasPrefix(err.Error(), "UNBLOCKED "):
		r.makeGroup(ctx) // UNBLOCKED is the error of a blocked client when Redis loses its data
	case isUnavailable(err):
		r.c.markDown(err)
	default:
		r.c.warn("could not read new deliveries from Redis; they go through the database", "error", describe(err))
		pause(ctx, refusedPause)
	}
}

// readScript reads entries and deletes them atomically.
var readScript = goredis.NewScript(`
local got = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[1], 'COUNT', ARGV[2], 'NOACK', 'STREAMS', KEYS[1], '>')
if not got then return {} end
local entries, ids = {}, {}
for _, m in ipairs(got[1][2]) do
	ids[#ids + 1] = m[1]
	entries[#entries + 1] = m[1]
	entries[#entries + 1] = m[2][2]
end
redis.call('XDEL', KEYS[1], unpack(ids))
return entries`)

// read reads what is in the stream. It does not wait.
func (r *Receiver) read(ctx context.Context, most int) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.patience)
	defer cancel()
	texts, err := readScript.Run(ctx, r.c.redis, []string{r.c.key(streamName)}, groupName, most).StringSlice()
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(texts)/2)
	for pair := range slices.Chunk(texts, 2) {
		entries = append(entries, entry{pair[0], pair[1]})
	}
	return entries, nil
}

// await waits for new entries. A script can't block, so await deletes the entries afterwards. If
// an entry is gone by then, another node has reclaimed it.
func (r *Receiver) await(ctx context.Context, most int) (taken []entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, block+2*r.c.patience)
	defer cancel()
	stream := r.c.key(streamName)
	streams, err := r.c.redis.XReadGroup(ctx, &goredis.XReadGroupArgs{
		Group: groupName, Consumer: groupName, Streams: []string{stream, ">"}, Count: int64(most), Block: block, NoAck: true,
	}).Result()
	if errors.Is(err, goredis.Nil) || err == nil && len(streams) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	deleted, err := r.c.remove(ctx, streams[0].Messages)
	for i, m := range streams[0].Messages {
		if text, _ := m.Values[field].(string); deleted[i] {
			taken = append(taken, entry{m.ID, text})
		}
	}
	return taken, err
}

// remove deletes entries and reports which of them were still there.
func (c *Client) remove(ctx context.Context, messages []goredis.XMessage) ([]bool, error) {
	pipe := c.redis.Pipeline()
	counts := make([]*goredis.IntCmd, len(messages))
	for i, m := range messages {
		counts[i] = pipe.XDel(ctx, c.key(streamName), m.ID)
	}
	_, err := pipe.Exec(ctx)
	deleted := make([]bool, len(messages))
	for i, n := range counts {
		deleted[i] = n.Val() == 1
	}
	return deleted, err
}

// take hands one entry to the dispatcher, or releases its delivery if it is too old. The age is
// measured from when the entry was sent, because a Redis that was frozen gives late entries a new
// id.
func (r *Receiver) take(ctx context.Context, e entry) {
	c, sent, err := decode(e.text)
	if err != nil {
		r.c.warn("an entry of the ready stream can't be decoded; its delivery is attempted once its lease has run out", "error", err, "entry", e.id)
		return
	}
	now := r.c.now()
	c.Delivery.LeasedUntil = time.Now().Add(c.Delivery.LeasedUntil.Sub(now))
	if now.Sub(sent) > r.c.maxAge() {
		r.c.o.Observer.Returned(1)
		r.d.Release(c)
		return
	}
	if !r.d.Offer(ctx, c) {
		r.c.o.Observer.Returned(1)
		r.tellFull(c.Delivery.SubscriptionID)
	}
}

// maxAge is the age from which a worker releases a delivery instead of attempting it. It is
// shorter than patience, because a node that gets no response from Redis within its patience
// releases the delivery too.
func (c *Client) maxAge() time.Duration { return c.patience * 3 / 4 }

// anyID stands for all subscriptions: a worker has no capacity for any of them because endpoints
// use all its slots. That is no reason to slow publishers down.
var anyID event.ID

// tellFull tells the other nodes to pass a subscription's deliveries through the database for a
// moment, or, with anyID, that endpoints use all slots of this worker.
func (r *Receiver) tellFull(subscription event.ID) {
	if time.Since(r.toldFull[subscription]) < fullPause/2 {
		return
	}
	if len(r.toldFull) >= maxInTransit {
		clear(r.toldFull)
	}
	r.toldFull[subscription] = time.Now()
	r.c.announce(fullNotice, subscription)
}

// makeGroup creates the stream and its group, which do not exist at first or after Redis has
// lost its data. The group reads from the beginning of the stream. take releases old entries.
func (r *Receiver) makeGroup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.c.patience)
	defer cancel()
	err := r.c.redis.XGroupCreateMkStream(ctx, r.c.key(streamName), groupName, "0").Err()
	if err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return
	}
	if isUnavailable(err) {
		r.c.markDown(err)
		return
	}
	r.c.warn("could not create the group of workers in Redis; new deliveries go through the database", "error", describe(err))
	pause(ctx, refusedPause)
}
