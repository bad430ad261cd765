package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/pgtest"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// cluster is a set of nodes on one database. Faults start and stop nodes, several at once, while
// publishers use them.
type cluster struct {
	t        *testing.T
	postgres *pgtest.Server
	database string
	redis    *redistest.Server // nil without Redis
	dir      string
	settings []string
	client   *http.Client

	mu      sync.Mutex
	started int
	apis    []*node
	workers []*node
	all     []*node // including stopped ones
}

// options describe a cluster.
type options struct {
	apis, workers int
	redis         bool
	own           bool // use its own PostgreSQL, which may be killed
	settings      []string
}

func newCluster(t *testing.T, o options) *cluster {
	t.Helper()
	c := &cluster{t: t, postgres: postgresServer, dir: t.TempDir(), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		Timeout:   30 * time.Second,
	}}
	t.Cleanup(c.client.CloseIdleConnections)
	if o.own {
		server, err := pgtest.Start("fsync=off", "full_page_writes=off", "max_connections=100")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Remove)
		c.postgres = server
	}
	c.database = c.postgres.Database(t, "")
	c.settings = append([]string{"DATABASE_URL=" + c.database}, o.settings...)
	if o.redis {
		server, err := redistest.Start()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Remove)
		c.redis = server
		c.settings = append(c.settings, "REDIS_URL="+server.URL())
	}
	t.Cleanup(c.end)
	for range o.apis {
		c.start("api")
	}
	for range o.workers {
		c.start("worker")
	}
	return c
}

// end stops what is still running, and prints the logs of the nodes if the test failed.
func (c *cluster) end() {
	for _, n := range c.all {
		if !n.runs() && !n.ended {
			c.t.Errorf("%s ended by itself:\n%s", n.name, n.process.Output())
		}
		n.process.Kill()
		if !n.journal.isClean() {
			c.t.Errorf("%s printed lines that are not log lines", n.name)
		}
		if text := n.journal.warnings(); c.t.Failed() && text != "" {
			c.t.Logf("%s:\n%s", n.name, text)
		}
	}
}

// start adds a node. The database may have come back only a moment ago.
func (c *cluster) start(role string) *node {
	c.t.Helper()
	c.mu.Lock()
	c.started++
	name := fmt.Sprintf("%s %d", role, c.started)
	c.mu.Unlock()
	var n *node
	await.NoError(c.t, func() (err error) {
		if n, err = startNode(name, role, c.dir, c.settings); err != nil {
			time.Sleep(200 * time.Millisecond) // like an operator who restarts a service
		}
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, n)
	if role == "api" {
		c.apis = append(c.apis, n)
	} else {
		c.workers = append(c.workers, n)
	}
	return n
}

// api returns the address of one of the API nodes.
func (c *cluster) api(i int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apis[i%len(c.apis)].url
}

// nodes returns the running nodes of a role.
func (c *cluster) nodes(role string) []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	if role == "api" {
		return slices.Clone(c.apis)
	}
	return slices.Clone(c.workers)
}

// one picks one of them.
func (c *cluster) one(role string) *node {
	list := c.nodes(role)
	return list[rand.IntN(len(list))]
}

// forget removes a node, before or after its end.
func (c *cluster) forget(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := func(other *node) bool { return other == n }
	c.apis, c.workers = slices.DeleteFunc(c.apis, is), slices.DeleteFunc(c.workers, is)
}

// sum adds up a number from the journals of all nodes.
func (c *cluster) sum(of func(*journal) int) (sum int) {
	for _, n := range c.all {
		sum += of(n.journal)
	}
	return sum
}

// returned is how many leases the API nodes have ended because Redis did not respond, or no worker
// took a delivery from it. The last actions of a killed node are unknown.
func (c *cluster) returned() (sum int) {
	for _, n := range c.all {
		if n.role != "api" || c.redis == nil {
			continue
		}
		if n.runs() {
			if err := n.countReturned(); err != nil {
				c.t.Errorf("%s: %v", n.name, err)
			}
		}
		sum += n.returned
	}
	return sum
}

// query queries the database, which may have come back only a moment ago.
func query[T any](c *cluster, scan pgx.RowToFunc[T], sql string, args ...any) []T {
	c.t.Helper()
	var list []T
	await.NoError(c.t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, c.database)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scan)
		return err
	})
	return list
}

// number queries the database for a number.
func (c *cluster) number(sql string, args ...any) int {
	c.t.Helper()
	return query(c, pgx.RowTo[int], sql, args...)[0]
}

// leased lists the owners of all leases.
func (c *cluster) leased() string {
	c.t.Helper()
	return strings.Join(query(c, pgx.RowTo[string],
		`SELECT split_part(lease_owner, '/', 1) || ': ' || count(*) FROM deliveries WHERE lease_owner IS NOT NULL GROUP BY split_part(lease_owner, '/', 1) ORDER BY 1`), ", ")
}
