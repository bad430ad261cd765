package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

// rateSlack is how far a rate may catch up after a pause: attempts that start a little
// late, because nodes wait for each other, are made up for.
const rateSlack = 50 * time.Millisecond

// takeScript is the generic cell rate algorithm. It keeps one time for a subscription:
// when its next attempt may start. By Redis's clock, so that the nodes' don't matter.
var takeScript = goredis.NewScript(`
local interval, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local at = tonumber(redis.call('GET', KEYS[1])) or 0
if at > now + interval then at = now + interval end
if at > now then return at - now end
at = math.max(at, now - slack) + interval
redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', math.ceil((interval + slack) / 1000) + 1000)
return 0`)

// Take asks whether one more attempt to a subscription's endpoint may start now, at a
// rate of one in each interval over all nodes. If not, it says how long to wait. While
// Redis is away each node keeps to the rate by itself.
func (c *Client) Take(ctx context.Context, subscription event.ID, interval time.Duration) (wait time.Duration) {
	if !c.up.Load() {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	key := c.key("rate:" + subscription.String())
	us, err := takeScript.Run(ctx, c.redis, []string{key}, interval.Microseconds(), rateSlack.Microseconds()).Int64()
	if err != nil {
		if away(err) {
			c.failed(err)
		}
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
