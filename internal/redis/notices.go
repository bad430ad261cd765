package redis

import (
	"context"
	"errors"
	"net"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

// notice is a channel on which nodes tell each other things about a subscription.
type notice string

const (
	changedNotice notice = "changed" // it is not as it was
	fullNotice    notice = "full"    // a worker has no capacity for its deliveries now
)

// Changed tells all nodes that a subscription has changed. It does not wait for them.
func (c *Client) Changed(id event.ID) { c.announce(changedNotice, id) }

// announce never blocks: what can't be said now is not said.
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
// say it of. After every break changed is called with a zero id, which means that any
// may have changed: what was said meanwhile is lost. The calls must not block. It
// returns nil when ctx ends.
func (c *Client) Listen(ctx context.Context, changed, full func(event.ID)) error {
	for ctx.Err() == nil {
		c.listen(ctx, changed, full)
		pause(ctx, tryEvery)
	}
	return nil
}

// listen listens until the connection breaks. One that is silent is asked for a sign of
// life, because a break is not always announced. It looks up from time to time: what
// waits for Redis does not see that ctx has ended.
func (c *Client) listen(ctx context.Context, changed, full func(event.ID)) {
	sub := c.redis.Subscribe(ctx, c.key(string(changedNotice)), c.key(string(fullNotice)))
	defer sub.Close()
	for asked := false; ctx.Err() == nil; {
		message, err := sub.ReceiveTimeout(ctx, tryEvery)
		var slow net.Error
		switch {
		case err == nil:
			asked = false
			c.hear(message, changed, full)
		case asked || !errors.As(err, &slow) || !slow.Timeout():
			return
		default:
			asked = true
			_ = sub.Ping(ctx) // what comes of it is heard, or not
		}
	}
}

// hear passes on what a message says, if it is one of ours.
func (c *Client) hear(message any, changed, full func(event.ID)) {
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
