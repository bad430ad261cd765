// Package redis makes several nodes faster, and is never needed.
//
// It carries three hints between nodes: new deliveries, from the nodes that take
// events in to those that deliver them (handoff.go, receiver.go); that a subscription
// has changed, or has more waiting than it has room for (notices.go); and how far a
// subscription's rate is used up (rate.go). Nothing in Redis is the only copy of
// anything. Whatever it holds may vanish at any moment, along with Redis itself: then
// the work goes on by the database alone, and takes Redis up again when it is back,
// without a restart.
//
// Start with Open and Run, then handoff.go.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// patience is how long Redis may take to answer. What waits for it must still start
	// within a second when it doesn't.
	patience = 400 * time.Millisecond
	// tryEvery is how often Redis is asked for a sign of life, and its clock.
	tryEvery = 500 * time.Millisecond
	// warnEvery is how often the same warning is logged at most.
	warnEvery = time.Minute
)

// Options say which Redis, and whose things in it.
type Options struct {
	// URL is redis://user:password@host:port/db, or rediss:// with TLS. With
	// ?master_name= the hosts are those of Sentinel; with ?addr=host:port, as often as
	// there are further nodes, it is a cluster.
	URL string
	// Namespace tells the deliveries of one database from those of another that shares
	// the Redis.
	Namespace string
	Log       *slog.Logger
	Observer  Observer
}

// Observer counts what goes through Redis.
type Observer interface {
	RedisUp(up bool)
	PassedOn(deliveries int) // to the workers
	Returned(deliveries int) // to the database, for want of room, or because they came late
}

// Client is one node's connections to Redis. Its methods may be called from many
// goroutines at once.
type Client struct {
	o        Options
	redis    goredis.UniversalClient
	patience time.Duration // the constant, but in tests: a machine that is busy with others is no Redis that hangs

	up     atomic.Bool
	took   atomic.Int64 // how long Redis last took to answer, in nanoseconds
	offset atomic.Int64 // what Redis's clock shows more than ours, in nanoseconds

	mu      sync.Mutex
	failure error                // why it is not up
	since   time.Time            // it is not up
	warned  map[string]time.Time // when warn last let a sentence through
}

var errNotTried = errors.New("not tried yet")

// Open reads the address. It does not connect: Redis may be away at the start, too.
func Open(o Options) (*Client, error) {
	options, err := parse(o.URL)
	if err != nil {
		return nil, addressFault(err)
	}
	return newClient(o, options, patience), nil
}

func newClient(o Options, options *goredis.UniversalOptions, patience time.Duration) *Client {
	logging.Disable() // the library's own log; what matters is said below
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
	return &Client{
		o: o, redis: goredis.NewUniversalClient(options), patience: patience,
		failure: errNotTried, warned: map[string]time.Time{},
	}
}

func parse(text string) (*goredis.UniversalOptions, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	var o goredis.UniversalOptions
	switch query := u.Query(); {
	case query.Has("master_name"):
		f, err := goredis.ParseFailoverURL(text)
		if err != nil {
			return nil, err
		}
		o = goredis.UniversalOptions{
			Addrs: f.SentinelAddrs, MasterName: f.MasterName, DB: f.DB, TLSConfig: f.TLSConfig, Username: f.Username, Password: f.Password,
			SentinelUsername: f.SentinelUsername, SentinelPassword: f.SentinelPassword,
		}
	case query.Has("addr"):
		c, err := goredis.ParseClusterURL(text)
		if err != nil {
			return nil, err
		}
		o = goredis.UniversalOptions{Addrs: c.Addrs, TLSConfig: c.TLSConfig, Username: c.Username, Password: c.Password, IsClusterMode: true}
		o.MaxRedirects = -1 // which are retries, too: an entry that was written before the connection broke would be written twice
	default:
		s, err := goredis.ParseURL(text)
		if err != nil {
			return nil, err
		}
		o = goredis.UniversalOptions{Addrs: []string{s.Addr}, DB: s.DB, TLSConfig: s.TLSConfig, Username: s.Username, Password: s.Password}
	}
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1 // the database does what Redis does not at once
	o.PoolSize = 8
	// Redis before 7.2, and several hosted ones, answer these with an error.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o, nil
}

// key is a name in Redis. All of a database's are in one slot of a cluster.
func (c *Client) key(name string) string { return "hookferry:{" + c.o.Namespace + "}:" + name }

// Run asks Redis for a sign of life, again and again, until ctx ends: it is used only
// while it gives one.
func (c *Client) Run(ctx context.Context) error {
	again := time.NewTicker(tryEvery)
	defer again.Stop()
	for {
		c.try(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// tryScript writes, though nothing comes of it: a Redis that takes no writes, a copy of
// another for instance, is of no use. It has a key because in a cluster it is the node
// of the stream that is asked. It answers with the time in microseconds.
var tryScript = goredis.NewScript(`
redis.call('DEL', KEYS[1])
local t = redis.call('TIME')
return t[1] * 1000000 + t[2]`)

// try also reads Redis's clock, by which deliveries that came late are told.
func (c *Client) try(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	before := time.Now()
	at, err := tryScript.Run(ctx, c.redis, []string{c.key("try")}).Int64()
	if err != nil {
		c.failed(err)
		return
	}
	took := time.Since(before)
	c.took.Store(int64(took))
	c.offset.Store(int64(time.UnixMicro(at).Sub(before.Add(took / 2))))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure = nil; !c.up.Swap(true) {
		c.o.Observer.RedisUp(true)
		c.o.Log.InfoContext(ctx, "Redis answers; it carries new deliveries to the workers", "away_ms", c.awayMS())
	}
}

// failed notes that Redis does not do its part. It is left alone until it gives a sign
// of life.
func (c *Client) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := errors.Is(c.failure, errNotTried)
	c.failure = err
	if c.up.Swap(false) || first {
		c.since = time.Now()
		c.o.Observer.RedisUp(false)
		c.o.Log.Warn("Redis can't be used; the database does its part until it can", "error", inWords(err))
	}
}

// awayMS is for how long it was not up, 0 if it was never tried in vain. The caller holds the lock.
func (c *Client) awayMS() int64 {
	if c.since.IsZero() {
		return 0
	}
	return time.Since(c.since).Milliseconds()
}

// warn logs a sentence that may be true many times a second, once in so long.
func (c *Client) warn(sentence string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.warned[sentence]) >= warnEvery {
		c.warned[sentence] = time.Now()
		c.o.Log.Warn(sentence, args...)
	}
}

// away reports whether an error says that Redis can't be reached, and not that it
// refuses one command.
func away(err error) bool {
	var answer goredis.Error
	return err != nil && (!errors.As(err, &answer) || strings.HasPrefix(err.Error(), "LOADING ") || strings.HasPrefix(err.Error(), "READONLY "))
}

// Latency is how long Redis last took to answer.
func (c *Client) Latency() time.Duration { return time.Duration(c.took.Load()) }

// Failure says why Redis is not in use, or nil.
func (c *Client) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// now is what Redis's clock shows.
func (c *Client) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Close ends the connections.
func (c *Client) Close() error { return c.redis.Close() }

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
