package redis

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/redistest"
)

// shared is a Redis for tests that do not harm it. Each test has its own names in it.
var shared *redistest.Server

type withRedis struct{ *testing.M }

func (m withRedis) Run() int {
	_ = flag.Set("test.parallel", "8") // the tests wait much more than they compute
	return redistest.Run(m.M, func(s *redistest.Server) error {
		shared = s
		return nil
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(withRedis{m}) }

// own starts a Redis for one test, so that the test may stop or break it.
func own(t *testing.T, settings ...string) *redistest.Server {
	t.Helper()
	s, err := redistest.Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

// calm is the patience with Redis in these tests.
const calm = 2500 * time.Millisecond

// node is one node's client, with its log and its counts.
type node struct {
	*Client
	log      *logLines
	passedOn atomic.Int64
	returned atomic.Int64
	redisUp  atomic.Bool
}

func (n *node) RedisUp(up bool)   { n.redisUp.Store(up) }
func (n *node) PassedOn(many int) { n.passedOn.Add(int64(many)) }
func (n *node) Returned(many int) { n.returned.Add(int64(many)) }

// connect opens a client in the namespace of the test, and runs it until the test ends.
func connect(t *testing.T, url string) *node {
	t.Helper()
	options, err := parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return connectWith(t, options)
}

// connectWith is like connect, for options that no address can express.
func connectWith(t *testing.T, options *goredis.UniversalOptions) *node {
	t.Helper()
	n := &node{log: &logLines{}}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	n.Client = newClient(Options{Namespace: t.Name(), Log: log, Observer: n}, options, calm)
	t.Cleanup(func() { n.Close() })
	background(t, n.Run)
	return n
}

// up returns a node whose Redis is up.
func up(t *testing.T, url string) *node {
	t.Helper()
	n := connect(t, url)
	n.wantUp(t, true)
	return n
}

func (n *node) wantUp(t *testing.T, want bool) {
	t.Helper()
	await.NoError(t, func() error {
		if got := n.Failure() == nil; got != want || n.redisUp.Load() != want {
			return fmt.Errorf("Redis counts as up: %v, observed as up: %v, want %v; the failure is %v", got, n.redisUp.Load(), want, n.Failure())
		}
		return nil
	})
}

// wantFailure waits until Redis is down for a reason that contains these words.
func (n *node) wantFailure(t *testing.T, words string) {
	t.Helper()
	await.NoError(t, func() error {
		if err := n.Failure(); err == nil || !strings.Contains(err.Error(), words) {
			return fmt.Errorf("the failure is %v, not %s", err, words)
		}
		return nil
	})
}

// wantNoRefusal checks that Redis has refused nothing. A slow response is not a refusal.
func wantNoRefusal(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		if n.log.count("WARN") != n.log.count("Redis can't be used") {
			t.Errorf("the log says:\n%s", n.log)
		}
	}
}

// background runs f until the test ends or the returned function is called, and checks that it
// ends soon after that.
func background(t *testing.T, run func(context.Context) error) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("a background function does not end")
		}
	})
	t.Cleanup(end)
	return end
}

// length returns how many entries the stream has.
func (n *node) length(t *testing.T) int {
	t.Helper()
	many, err := n.redis.XLen(context.Background(), n.key(streamName)).Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(many)
}

func (n *node) wantEmpty(t *testing.T) {
	t.Helper()
	await.NoError(t, func() error {
		if many := n.length(t); many != 0 {
			return fmt.Errorf("%d entries are left in the stream", many)
		}
		return nil
	})
}

// logLines keeps what is logged.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count returns how many lines contain a text.
func (l *logLines) count(word string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// do sends a command to the server directly.
func do(t *testing.T, s *redistest.Server, command ...string) string {
	t.Helper()
	answer, err := s.Do(command...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// number returns the integer response to a command.
func number(t *testing.T, s *redistest.Server, command ...string) int {
	t.Helper()
	n, err := strconv.Atoi(do(t, s, command...))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var errNotYet = errors.New("not yet")
