package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/event"
)

// rateSlack is the delay for which a subscription may catch up. It compensates for attempts that
// start a little late because nodes wait for each other.
const rateSlack = 50 * time.Millisecond

// takeScript is the generic cell rate algorithm. It stores one time for each subscription: when
// its next attempt may start. It uses Redis's clock, so that the nodes' clocks don't matter.
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

// Take takes the right to start one attempt at a subscription's endpoint, of which all nodes
// together get one in each interval. If there is none, it returns how long to wait before trying
// again. While Redis is unavailable, each node applies the rate limit on its own.
func (c *Client) Take(ctx context.Context, subscription event.ID, interval time.Duration) (wait time.Duration) {
	if !c.up.Load() {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	key := c.key("rate:" + subscription.String())
	us, err := takeScript.Run(ctx, c.redis, []string{key}, interval.Microseconds(), rateSlack.Microseconds()).Int64()
	if err != nil {
		if isUnavailable(err) {
			c.markDown(err)
		}
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
