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
	// block is how long a worker waits in Redis for something to come, and so, when it
	// is to stop, at most for that: what comes while it waits is read.
	block = 500 * time.Millisecond
	// readMost is how many are taken in one exchange, and noCapacityPause how long a worker
	// without capacity waits.
	readMost        = 128
	noCapacityPause = 5 * time.Millisecond
)

// Dispatcher delivers what is read.
type Dispatcher interface {
	// Capacity estimates how many deliveries Offer would take over.
	Capacity() int
	// SlotsTaken reports whether there is none because endpoints hold all requests that may be
	// in flight.
	SlotsTaken() bool
	// Offer takes over a delivery, or releases it in the store and reports false.
	Offer(ctx context.Context, c event.Claimed) bool
	// Release makes a delivery due again in the store.
	Release(c event.Claimed)
}

// Receiver reads what other nodes pass on, and hands it to this node's dispatcher.
//
// Whoever deletes an entry owns its delivery: a worker that is going to make it, or
// the node that passed it on and takes it back because nobody did. The group reads
// without acknowledgements. What a worker has taken and not delivered when it dies is
// found by its lease in the database, as everything else is, so there is one way of
// taking over and not two.
type Receiver struct {
	c    *Client
	d    Dispatcher
	told map[event.ID]time.Time // when the other nodes were told that a subscription has no capacity here
}

// entry is what was read of the stream.
type entry struct {
	id   string
	text string
}

// NewReceiver makes a Receiver. Nothing is read before Run.
func NewReceiver(c *Client, d Dispatcher) *Receiver {
	return &Receiver{c: c, d: d, told: map[event.ID]time.Time{}}
}

// Run reads until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch capacity := r.d.Capacity(); {
		case !r.c.up.Load():
			pause(ctx, tryEvery/5)
		case capacity <= 0:
			if r.d.SlotsTaken() {
				r.tellFull(anyID)
			}
			pause(ctx, noCapacityPause)
		default:
			r.readOnce(ctx, min(capacity, readMost))
		}
	}
	return nil
}

// readOnce takes what there is, or waits for something to come. It is not broken off
// when ctx ends: Redis may be sending something at that moment.
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
		r.makeGroup(ctx) // the second is what it says to one that waits when it loses its memory
	case away(err):
		r.c.failed(err)
	default:
		r.c.warn("could not read new deliveries from Redis; the database carries them", "error", inWords(err))
		pause(ctx, refusedPause)
	}
}

// readScript reads entries and deletes them, in one step.
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

// read takes what there is.
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

// await waits for something to come. A script can't wait, so that what comes is deleted
// afterwards; what is gone by then has been taken back.
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

// remove deletes entries, and says which of them were still there.
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

// take hands one entry to the dispatcher. Its age counts from when it was sent, by
// Redis's clock: a Redis that hung takes in what has waited before its door as new.
func (r *Receiver) take(ctx context.Context, e entry) {
	c, sent, err := decode(e.text)
	if err != nil {
		r.c.warn("an entry of the ready stream can't be read; its delivery is made when its lease has run out", "error", err, "entry", e.id)
		return
	}
	now := r.c.now()
	c.Delivery.LeasedUntil = time.Now().Add(c.Delivery.LeasedUntil.Sub(now))
	if now.Sub(sent) > r.c.late() {
		r.c.o.Observer.Returned(1)
		r.d.Release(c)
		return
	}
	if !r.d.Offer(ctx, c) {
		r.c.o.Observer.Returned(1)
		r.tellFull(c.Delivery.SubscriptionID)
	}
}

// late is the age at which what was passed on is given back to the database instead:
// the node that passed it on may have done so already, because it had no answer from
// Redis. It is shorter than its patience.
func (c *Client) late() time.Duration { return c.patience * 3 / 4 }

// anyID stands for all subscriptions: a worker has no capacity for any of them because of
// their endpoints. That is no reason to slow publishers down.
var anyID event.ID

// tellFull asks the others to leave a subscription to the database for a moment, or tells
// them that endpoints hold all that this worker may have in flight.
func (r *Receiver) tellFull(subscription event.ID) {
	if time.Since(r.told[subscription]) < fullPause/2 {
		return
	}
	if len(r.told) >= streamMost {
		clear(r.told)
	}
	r.told[subscription] = time.Now()
	r.c.announce(fullNotice, subscription)
}

// makeGroup makes the stream and its group, which are not there at first, nor after
// Redis has lost its memory. It reads from the beginning: what is too old is given back.
func (r *Receiver) makeGroup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.c.patience)
	defer cancel()
	err := r.c.redis.XGroupCreateMkStream(ctx, r.c.key(streamName), groupName, "0").Err()
	if err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return
	}
	if away(err) {
		r.c.failed(err)
		return
	}
	r.c.warn("could not make the group of workers in Redis; the database carries new deliveries", "error", inWords(err))
	pause(ctx, refusedPause)
}
