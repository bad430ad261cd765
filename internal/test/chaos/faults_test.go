package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/test/await"
)

// longerThanALease is how long a worker is stopped so that all its leases run out, at least two
// seconds before it continues.
const longerThanALease = 16 * time.Second

// fault is something that goes wrong during the load. It is over when strike returns: everything
// that was killed has been started again.
type fault struct {
	name   string
	strike func(*cluster)
	// graceful is a fault that must not cause duplicates.
	graceful bool
	// long is a fault that takes long, and is used only in long runs.
	long bool
}

var (
	killAPI      = fault{name: "kill -9 of an API node", strike: (*cluster).killAPI}
	killWorker   = fault{name: "kill -9 of a worker", strike: (*cluster).killWorker}
	stopWorker   = fault{name: "SIGSTOP of a worker beyond its leases", strike: (*cluster).stopWorker}
	killPostgres = fault{name: "kill -9 of PostgreSQL", strike: (*cluster).killPostgres}
	losePostgres = fault{name: "PostgreSQL away for longer than all leases", strike: (*cluster).losePostgres, long: true}
	hangPostgres = fault{name: "PostgreSQL frozen for longer than all leases", strike: (*cluster).hangPostgres, long: true}
	cutSessions  = fault{name: "pg_terminate_backend of all sessions, 20 times a second", strike: (*cluster).cutSessions}
	takeSessions = fault{name: "PostgreSQL has no connection left", strike: (*cluster).takeSessions}
	lockTable    = fault{name: "all connections wait for a lock", strike: (*cluster).lockTable}
	replaceAll   = fault{name: "all workers stopped, and then others started", strike: (*cluster).replaceWorkers, graceful: true}
	restartAll   = fault{name: "restart of all nodes in turn", strike: (*cluster).restartAll, graceful: true}
	killRedis    = fault{name: "kill -9 of Redis", strike: (*cluster).killRedis}
	flushRedis   = fault{name: "FLUSHALL", strike: (*cluster).flushRedis}
	freezeRedis  = fault{name: "Redis frozen", strike: (*cluster).freezeRedis}
	fillRedis    = fault{name: "Redis full", strike: (*cluster).fillRedis}
)

func (c *cluster) killAPI() {
	n := c.one("api")
	n.kill() // publishers keep trying the node, like a load balancer that has not noticed
	c.start("api")
	c.forget(n)
}

func (c *cluster) killWorker() {
	n := c.one("worker")
	n.kill()
	c.forget(n)
	c.start("worker")
}

func (c *cluster) stopWorker() {
	n := c.one("worker")
	n.process.Freeze()
	time.Sleep(longerThanALease)
	n.process.Thaw()
}

func (c *cluster) killPostgres() {
	c.postgres.Kill()
	time.Sleep(time.Second)
	c.revive("PostgreSQL", c.postgres.Start)
}

func (c *cluster) losePostgres() {
	c.postgres.Kill()
	time.Sleep(longerThanALease)
	c.revive("PostgreSQL", c.postgres.Start)
}

func (c *cluster) hangPostgres() {
	c.postgres.Freeze()
	time.Sleep(longerThanALease)
	c.postgres.Thaw()
}

// foreign opens a session that does not belong to the service.
func (c *cluster) foreign() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return pgx.Connect(ctx, c.database)
}

const otherSessions = ` FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'foreign'`

// cutSessions ends all sessions of the service for three seconds, as soon as they are back.
func (c *cluster) cutSessions() {
	c.withForeign(func(ctx context.Context, db *pgx.Conn) error {
		cut := 0
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			tag, err := db.Exec(ctx, `SELECT pg_terminate_backend(pid)`+otherSessions)
			if err != nil {
				return err
			}
			cut += int(tag.RowsAffected())
		}
		if c.t.Logf("%d sessions were ended", cut); cut == 0 {
			return errors.New("no session was ended")
		}
		return nil
	})
}

// takeSessions ends all sessions of the service and takes their places for three seconds.
func (c *cluster) takeSessions() {
	c.withForeign(func(ctx context.Context, db *pgx.Conn) error {
		var taken []*pgx.Conn
		defer func() {
			for _, other := range taken {
				other.Close(ctx)
			}
		}()
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			if _, err := db.Exec(ctx, `SELECT pg_terminate_backend(pid)`+otherSessions); err != nil {
				return err
			}
			other, err := c.foreign()
			for ; err == nil; other, err = c.foreign() {
				if _, err := other.Exec(ctx, `SET application_name = 'foreign'`); err != nil {
					return err
				}
				taken = append(taken, other)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if c.t.Logf("%d connections were taken", len(taken)); len(taken) < 20 {
			return errors.New("that is not a realistic number")
		}
		return nil
	})
}

// lockTable makes every statement about deliveries wait for three seconds.
func (c *cluster) lockTable() {
	c.withForeign(func(ctx context.Context, db *pgx.Conn) error {
		tx, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback(ctx)
		if _, err := tx.Exec(ctx, `LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
		return nil
	})
}

func (c *cluster) withForeign(use func(context.Context, *pgx.Conn) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	db, err := c.foreign()
	if err == nil {
		defer db.Close(ctx)
		if _, err = db.Exec(ctx, `SET application_name = 'foreign'`); err == nil {
			err = use(ctx, db)
		}
	}
	if err != nil {
		c.t.Errorf("a foreign session: %v", err)
	}
}

func (c *cluster) killRedis() {
	c.redis.Kill()
	time.Sleep(time.Second)
	c.revive("Redis", c.redis.Start)
}

func (c *cluster) revive(what string, start func() error) {
	if err := start(); err != nil {
		c.t.Errorf("start %s again: %v", what, err)
	}
}

func (c *cluster) flushRedis() { c.ask("FLUSHALL") }

func (c *cluster) freezeRedis() {
	c.redis.Freeze()
	time.Sleep(3 * time.Second)
	c.redis.Thaw()
}

func (c *cluster) fillRedis() {
	c.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
	c.ask("CONFIG", "SET", "maxmemory", "1mb") // less than it has used when it is empty
	time.Sleep(3 * time.Second)
	c.ask("CONFIG", "SET", "maxmemory", "0")
}

// ask sends a command to Redis, which may have just been killed.
func (c *cluster) ask(command ...string) {
	await.NoError(c.t, func() error {
		_, err := c.redis.Do(command...)
		return err
	})
}

// restartAll starts a new node for each node, and then stops the old ones one by one, first those
// of the API.
func (c *cluster) restartAll() {
	old := append(c.nodes("api"), c.nodes("worker")...)
	for _, n := range old {
		c.start(n.role)
	}
	for _, n := range old {
		c.forget(n)
		n.drain(c.t)
	}
}

// replaceWorkers stops all workers, checks what they leave behind, and starts others.
func (c *cluster) replaceWorkers() {
	old := c.nodes("worker")
	var all sync.WaitGroup
	for _, n := range old {
		c.forget(n)
		all.Go(func() { n.drain(c.t) })
	}
	all.Wait()
	c.wantLeasedInRedisAlone()
	for range old {
		c.start("worker")
	}
}

// wantLeasedInRedisAlone is for when no worker runs. All leased deliveries are then on their way
// from the API nodes to the workers. It reads the stream first: if more arrive in the meantime, it
// reads again.
func (c *cluster) wantLeasedInRedisAlone() {
	c.t.Helper()
	if c.redis == nil {
		if leased := c.leased(); leased != "" {
			c.t.Errorf("all workers have stopped, and leased is %s", leased)
		}
		return
	}
	await.NoError(c.t, func() error {
		text, err := c.redis.Do("EVAL", `local n = 0
			for _, key in ipairs(redis.call('KEYS', 'hookferry:*:ready')) do n = n + redis.call('XLEN', key) end
			return n`, "0")
		if err != nil {
			return err
		}
		waiting, err := strconv.Atoi(text)
		if leased := c.number(`SELECT count(*) FROM deliveries WHERE lease_owner IS NOT NULL`); err == nil && leased > waiting {
			return fmt.Errorf("all workers have stopped; %d deliveries wait in Redis, and leased is %s", waiting, c.leased())
		}
		return err
	})
}

// atOnce combines several faults at the same moment.
func atOnce(list ...fault) fault {
	f := fault{}
	for i, one := range list {
		if i > 0 {
			f.name += " and "
		}
		f.name += one.name
	}
	f.strike = func(c *cluster) {
		var all sync.WaitGroup
		for _, one := range list {
			all.Go(func() { one.strike(c) })
		}
		all.Wait()
	}
	return f
}
