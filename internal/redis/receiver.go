package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"hookferry/internal/event"
)

const (
	// block is how long a worker waits in Redis for something to come, and so, when it
	// is to stop, at most for that: what comes while it waits is read.
	block = 500 * time.Millisecond
	// late is the age at which what was passed on is given back to the database
	// instead: the node that passed it on may have done so already, because it had no
	// answer from Redis. It is shorter than its patience.
	late = patience * 3 / 4
	// readMost is how many are taken in one exchange, and noRoom how long a worker waits
	// that has no room at all.
	readMost = 128
	noRoom   = 5 * time.Millisecond
)

// Dispatcher delivers what is read.
type Dispatcher interface {
	// Room is about how many deliveries there is room for.
	Room() int
	// Offer takes a delivery over, or gives it back to the store and reports false.
	Offer(ctx context.Context, c event.Claimed) bool
	// GiveBack makes a delivery due again.
	GiveBack(c event.Claimed)
}

// Receiver reads what other nodes pass on, and hands it to this node's dispatcher.
//
// The group reads without acknowledgements: an entry goes to one worker, once. What a
// worker has read and not delivered when it dies is found by its lease in the
// database, as everything else is, so there is one way of taking over and not two.
type Receiver struct {
	c    *Client
	d    Dispatcher
	done []string               // entries that were read and are to be deleted
	told map[event.ID]time.Time // when the others were told that there is no room for a subscription
}

// NewReceiver makes a Receiver. Nothing is read before Run.
func NewReceiver(c *Client, d Dispatcher) *Receiver {
	return &Receiver{c: c, d: d, told: map[event.ID]time.Time{}}
}

// Run reads until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		switch room := r.d.Room(); {
		case !r.c.up.Load():
			pause(ctx, tryEvery/5)
		case room <= 0:
			pause(ctx, noRoom)
		default:
			r.readOnce(ctx, min(room, readMost))
		}
	}
	r.forget()
	return nil
}

// readOnce takes what there is, or waits for something to come.
func (r *Receiver) readOnce(ctx context.Context, most int) {
	messages, err := r.read(ctx, most, false)
	if err == nil && len(messages) == 0 {
		messages, err = r.read(ctx, most, true)
	}
	switch {
	case err == nil:
		for _, m := range messages {
			r.take(ctx, m)
		}
	case ctx.Err() != nil:
	case strings.HasPrefix(err.Error(), "NOGROUP"):
		r.makeGroup(ctx)
	case away(err):
		r.c.failed(err)
	default:
		r.c.o.Log.WarnContext(ctx, "could not read new deliveries from Redis; the database carries them", "error", err)
		pause(ctx, refusedPause)
	}
}

// read deletes what was read before in the same exchange. It is not broken off when
// ctx ends: Redis may be sending something at that moment.
func (r *Receiver) read(ctx context.Context, most int, wait bool) ([]goredis.XMessage, error) {
	ctx = context.WithoutCancel(ctx)
	stream := r.c.key(streamName)
	args := &goredis.XReadGroupArgs{Group: groupName, Consumer: groupName, Streams: []string{stream, ">"}, Count: int64(most), Block: -1, NoAck: true}
	if wait {
		args.Block = block
		ctx, cancel := context.WithTimeout(ctx, block+patience)
		defer cancel()
		return messagesOf(r.c.redis.XReadGroup(ctx, args))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pipe := r.c.redis.Pipeline()
	if len(r.done) > 0 {
		pipe.XDel(ctx, stream, r.done...)
	}
	read := pipe.XReadGroup(ctx, args)
	_, _ = pipe.Exec(ctx) // each command has its own error
	r.done = r.done[:0]
	return messagesOf(read)
}

func messagesOf(cmd *goredis.XStreamSliceCmd) ([]goredis.XMessage, error) {
	streams, err := cmd.Result()
	if errors.Is(err, goredis.Nil) || err == nil && len(streams) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return streams[0].Messages, nil
}

// take hands one entry to the dispatcher. Ages are told by Redis's clock alone.
func (r *Receiver) take(ctx context.Context, m goredis.XMessage) {
	r.done = append(r.done, m.ID)
	text, _ := m.Values[field].(string)
	c, left, err := decode(text)
	if err != nil {
		r.c.o.Log.WarnContext(ctx, "an entry of the ready stream can't be read; its delivery is made when its lease has run out", "error", err, "entry", m.ID)
		return
	}
	ms, _, _ := strings.Cut(m.ID, "-")
	at, err := strconv.ParseInt(ms, 10, 64)
	age := r.c.now().Sub(time.UnixMilli(at))
	c.Delivery.LeasedUntil = time.Now().Add(left - max(age, 0))
	if err != nil || age > late {
		r.c.o.Observer.Returned(1)
		r.d.GiveBack(c)
		return
	}
	if !r.d.Offer(ctx, c) {
		r.c.o.Observer.Returned(1)
		r.tellFull(c.Delivery.SubscriptionID)
	}
}

// tellFull asks the others to leave a subscription to the database for a moment.
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.c.redis.XGroupCreateMkStream(ctx, r.c.key(streamName), groupName, "0").Err()
	if err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return
	}
	r.c.o.Log.WarnContext(ctx, "could not make the group of workers in Redis; the database carries new deliveries", "error", err)
	pause(ctx, refusedPause)
}

// forget deletes what was read last.
func (r *Receiver) forget() {
	if len(r.done) == 0 || !r.c.up.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = r.c.redis.XDel(ctx, r.c.key(streamName), r.done...).Err() // they go by their age otherwise
}
