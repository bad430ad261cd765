package redis

import (
	"context"
	"errors"
	"net"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

// notice is a channel on which nodes send each other messages about a subscription.
type notice string

const (
	changedNotice notice = "changed" // the subscription was changed
	fullNotice    notice = "full"    // a worker has no capacity for the subscription now
)

// Changed tells all nodes that a subscription was changed. It does not wait for them.
func (c *Client) Changed(id event.ID) { c.announce(changedNotice, id) }

// announce sends a message. It never blocks, and drops the message if it can't be sent now.
func (c *Client) announce(n notice, id event.ID) {
	if !c.up.Load() {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.patience)
		defer cancel()
		_ = c.redis.Publish(ctx, c.key(string(n)), id.String()).Err()
	}()
}

// Listen calls changed and full with the subscriptions that other nodes, or this one,
// announce. Messages are lost while the connection is down, so after each interruption it calls
// changed with a zero id, which means that any subscription may have changed. The functions must
// not block. Listen returns nil when ctx ends.
func (c *Client) Listen(ctx context.Context, changed, full func(event.ID)) error {
	for ctx.Err() == nil {
		c.listen(ctx, changed, full)
		pause(ctx, pingEvery)
	}
	return nil
}

// listen listens until the connection breaks. If the connection is silent, it sends a ping,
// because a broken connection may go unnoticed. It waits only for pingEvery at a time, because
// the wait for Redis does not end with ctx.
func (c *Client) listen(ctx context.Context, changed, full func(event.ID)) {
	sub := c.redis.Subscribe(ctx, c.key(string(changedNotice)), c.key(string(fullNotice)))
	defer sub.Close()
	for asked := false; ctx.Err() == nil; {
		message, err := sub.ReceiveTimeout(ctx, pingEvery)
		var slow net.Error
		switch {
		case err == nil:
			asked = false
			c.handle(message, changed, full)
		case asked || !errors.As(err, &slow) || !slow.Timeout():
			return
		default:
			asked = true
			_ = sub.Ping(ctx) // the response, if any, arrives as a message
		}
	}
}

// handle calls changed or full if the message is one of ours.
func (c *Client) handle(message any, changed, full func(event.ID)) {
	switch m := message.(type) {
	case *goredis.Subscription:
		changed(event.ID{})
	case *goredis.Message:
		id, err := event.ParseID(m.Payload)
		switch {
		case err != nil:
		case m.Channel == c.key(string(fullNotice)):
			full(id)
		default:
			changed(id)
		}
	}
}
