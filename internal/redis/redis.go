// Package redis makes a cluster of nodes faster. It is optional.
//
// It carries three things between nodes: new deliveries, from the nodes that accept events
// to the workers (handoff.go, receiver.go); messages that a subscription was changed or that
// a worker has no capacity for it (notices.go); and shared rate limits (rate.go). Redis never
// has the only copy of anything. Its data and Redis itself may vanish at any moment. The nodes
// then use only the database, and use Redis again when it is back, without a restart.
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
	// patience is how long to wait for a response of Redis. It is short, so that a delivery
	// starts within a second even if Redis does not respond.
	patience = 400 * time.Millisecond
	// pingEvery is the time between two pings, which also read Redis's clock.
	pingEvery = 500 * time.Millisecond
	// warnEvery is the shortest time between two log lines with the same warning.
	warnEvery = time.Minute
)

// Options configure a Client.
type Options struct {
	// URL is redis://user:password@host:port/db, or rediss:// with TLS. With
	// ?master_name= the hosts are Sentinels. With ?addr=host:port, repeated for each further
	// node, it is a cluster.
	URL string
	// Namespace separates the deliveries of databases that share one Redis.
	Namespace string
	Log       *slog.Logger
	Observer  Observer
}

// Observer counts what goes through Redis.
type Observer interface {
	RedisUp(up bool)
	PassedOn(deliveries int) // to the workers
	Returned(deliveries int) // to the database, because there was no capacity or they were late
}

// Client is one node's connections to Redis. It is safe for concurrent use.
type Client struct {
	o        Options
	redis    goredis.UniversalClient
	patience time.Duration // the constant, except in tests, which may run on a busy machine

	up     atomic.Bool
	took   atomic.Int64 // the latency of the last ping, in nanoseconds
	offset atomic.Int64 // how far Redis's clock is ahead of ours, in nanoseconds

	mu      sync.Mutex
	failure error                // why Redis is not up
	since   time.Time            // since when Redis is not up
	warned  map[string]time.Time // when warn last logged each message
}

var errNotPinged = errors.New("not tried yet")

// Open parses the address. It does not connect, because Redis may be unavailable at the start.
func Open(o Options) (*Client, error) {
	options, err := parse(o.URL)
	if err != nil {
		return nil, addressError(err)
	}
	return newClient(o, options, patience), nil
}

func newClient(o Options, options *goredis.UniversalOptions, patience time.Duration) *Client {
	logging.Disable() // the library's own log; this package logs what matters
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
	return &Client{
		o: o, redis: goredis.NewUniversalClient(options), patience: patience,
		failure: errNotPinged, warned: map[string]time.Time{},
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
		o.MaxRedirects = -1 // redirects are retries too, and may add an entry twice after the connection broke
	default:
		s, err := goredis.ParseURL(text)
		if err != nil {
			return nil, err
		}
		o = goredis.UniversalOptions{Addrs: []string{s.Addr}, DB: s.DB, TLSConfig: s.TLSConfig, Username: s.Username, Password: s.Password}
	}
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1 // a delivery whose command fails goes through the database instead
	o.PoolSize = 8
	// Redis before 7.2 and several hosted services respond to these with an error.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o, nil
}

// key returns a key in Redis. All keys of a database are in one slot of a cluster.
func (c *Client) key(name string) string { return "hookferry:{" + c.o.Namespace + "}:" + name }

// Run pings Redis regularly until ctx ends. Redis is used only while the pings succeed.
func (c *Client) Run(ctx context.Context) error {
	again := time.NewTicker(pingEvery)
	defer again.Stop()
	for {
		c.ping(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// pingScript makes a write without effect, because a Redis that accepts no writes, for instance
// a replica, is of no use. It has a key so that in a cluster it runs on the node of the stream.
// It returns the time in microseconds.
var pingScript = goredis.NewScript(`
redis.call('DEL', KEYS[1])
local t = redis.call('TIME')
return t[1] * 1000000 + t[2]`)

// ping checks whether Redis is up. It also reads Redis's clock, which is used to recognize late
// deliveries.
func (c *Client) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	before := time.Now()
	at, err := pingScript.Run(ctx, c.redis, []string{c.key("try")}).Int64()
	if err != nil {
		c.markDown(err)
		return
	}
	took := time.Since(before)
	c.took.Store(int64(took))
	c.offset.Store(int64(time.UnixMicro(at).Sub(before.Add(took / 2))))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure = nil; !c.up.Swap(true) {
		c.o.Observer.RedisUp(true)
		c.o.Log.InfoContext(ctx, "Redis is up; new deliveries go to the workers through it", "away_ms", c.downMS())
	}
}

// markDown records a failure of Redis. Redis is not used until a ping succeeds.
func (c *Client) markDown(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := errors.Is(c.failure, errNotPinged)
	c.failure = err
	if c.up.Swap(false) || first {
		c.since = time.Now()
		c.o.Observer.RedisUp(false)
		c.o.Log.Warn("Redis can't be used; new deliveries go through the database until it can", "error", describe(err))
	}
}

// downMS returns for how long Redis was down, or 0 if no ping has failed yet. The caller holds
// the lock.
func (c *Client) downMS() int64 {
	if c.since.IsZero() {
		return 0
	}
	return time.Since(c.since).Milliseconds()
}

// warn logs a warning that may occur many times a second, at most once in warnEvery.
func (c *Client) warn(sentence string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.warned[sentence]) >= warnEvery {
		c.warned[sentence] = time.Now()
		c.o.Log.Warn(sentence, args...)
	}
}

// isUnavailable reports whether an error means that Redis can't be used at all, and not that it
// has refused one command.
func isUnavailable(err error) bool {
	var refusal goredis.Error
	return err != nil && (!errors.As(err, &refusal) || strings.HasPrefix(err.Error(), "LOADING ") || strings.HasPrefix(err.Error(), "READONLY "))
}

// Latency returns the latency of the last ping.
func (c *Client) Latency() time.Duration { return time.Duration(c.took.Load()) }

// Failure returns why Redis is not in use, or nil.
func (c *Client) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// now returns the time of Redis's clock.
func (c *Client) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
