package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/store/sqlite"
	"github.com/hookferry/hookferry/internal/test/await"
	"github.com/hookferry/hookferry/internal/test/pgtest"
	"github.com/hookferry/hookferry/internal/test/redistest"
	"github.com/hookferry/hookferry/webhook"
)

// TestNothingAcknowledgedIsLostByKills publishes from 64 connections while the service is killed
// with SIGKILL again and again. Every accepted event must reach the endpoint, and every status must
// be right.
//
// HOOKFERRY_TEST_KILLS sets the number of kills; the default is small.
func TestNothingAcknowledgedIsLostByKills(t *testing.T) {
	kills := 6
	if testing.Short() {
		kills = 2
	}
	if text := os.Getenv("HOOKFERRY_TEST_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("HOOKFERRY_TEST_KILLS: %v", err)
		}
		kills = n
	}
	binary := build(t)
	dir := t.TempDir()
	seen := &tally{counts: map[string]int{}}
	sink := receive(t, "", nil)
	sink.Config.Handler = seen
	var acknowledged sync.Map
	var total atomic.Int64
	var sub string

	for kill := range kills {
		p := serve(t, binary, dir)
		if sub == "" {
			sub = p.subscribe(t, sink.URL)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					id, err := p.post(sub)
					if err != nil {
						return // killed
					}
					acknowledged.Store(id, true)
					total.Add(1)
				}
			})
		}
		enough := total.Load() + 200 + rand.Int64N(1500)
		await.NoError(t, func() error {
			if total.Load() < enough {
				return fmt.Errorf("kill %d: %d events acknowledged", kill, total.Load())
			}
			return nil
		})
		p.kill(t)
		close(stop)
		wg.Wait()
	}

	p, began := serve(t, binary, dir), time.Now()
	await.NoError(t, func() error {
		n, err := p.pending(t, began)
		if err == nil && n != 0 {
			err = fmt.Errorf("%d deliveries are pending", n)
		}
		return err
	})
	p.interrupt(t)

	missing := 0
	acknowledged.Range(func(id, _ any) bool {
		if seen.count(id.(string)) == 0 {
			missing++
		}
		return true
	})
	duplicates, distinct := seen.duplicates()
	t.Logf("%d kills: %d events acknowledged, %d stored, %d duplicates", kills, total.Load(), distinct, duplicates)
	if missing > 0 {
		t.Errorf("%d of %d acknowledged events never reached the endpoint", missing, total.Load())
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "hookferry.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	counts, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts[event.Delivered] != distinct || len(counts) != 1 {
		t.Errorf("the store counts %v; the endpoint has seen %d different events", counts, distinct)
	}
}

// TestRetriesKeepTheirTimeThroughAKill kills the service while one delivery waits for a retry in an
// hour and another is in flight.
func TestRetriesKeepTheirTimeThroughAKill(t *testing.T) {
	binary := build(t)
	dir := t.TempDir()
	arrived := make(chan string, 10)
	release := make(chan struct{})
	defer close(release)
	failing := receive(t, "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	hanging := receive(t, "", func(_ http.ResponseWriter, r *http.Request, n int) {
		arrived <- r.Header.Get(webhook.HeaderID)
		if n == 1 {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	})
	p := serve(t, binary, dir, "WEBHOOK_RETRY_SCHEDULE=1h")
	retried := p.deliver(t, p.subscribe(t, failing.URL))
	var due any
	await.NoError(t, func() error {
		d := p.get(t, "/status/delivery/"+retried)
		if due = d["next_attempt_at"]; len(d["attempts"].([]any)) != 1 {
			return fmt.Errorf("delivery %v", d)
		}
		return nil
	})
	inFlight := p.deliver(t, p.subscribe(t, hanging.URL))
	first := <-arrived
	p.kill(t)

	p = serve(t, binary, dir, "WEBHOOK_RETRY_SCHEDULE=1h")
	if again := <-arrived; again != first {
		t.Errorf("after the restart came %s, want %s again", again, first)
	}
	await.NoError(t, func() error {
		if d := p.get(t, "/status/delivery/"+inFlight); d["status"] != "delivered" {
			return fmt.Errorf("the delivery that was in flight: %v", d)
		}
		return nil
	})
	if d := p.get(t, "/status/delivery/"+retried); d["status"] != "pending" || d["next_attempt_at"] != due || len(d["attempts"].([]any)) != 1 {
		t.Errorf("the retry was due at %v; now %v", due, d)
	}
	p.interrupt(t)
}

var buildOnce = sync.OnceValues(func() (string, error) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "hookferry-test-"); err != nil {
		return "", err
	}
	out := filepath.Join(binaryDir, "hookferry")
	cmd := exec.Command("go", "build", "-o", out, "../../cmd/hookferry")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, text)
	}
	return out, nil
})

// postgresServer is the server of these tests.
var postgresServer *pgtest.Server

// redisServer is the server of these tests.
var redisServer *redistest.Server

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if redisServer, err = redistest.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer redisServer.Remove()
	defer func() { os.RemoveAll(binaryDir) }()
	return pgtest.Run(m, func(s *pgtest.Server) error {
		postgresServer = s
		return nil
	})
}

var binaryDir string // "" until one is built

func build(t *testing.T) string {
	t.Helper()
	binary, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// process is a service in its own process.
type process struct {
	cmd    *exec.Cmd
	url    string
	client *http.Client
}

func serve(t *testing.T, binary, dir string, settings ...string) *process {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--dev", "--addr", "127.0.0.1:0")
	cmd.Dir = dir // with no other .env file
	cmd.Env = append([]string{"HOOKFERRY_DATA=" + dir, "HOOKFERRY_ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=INFO"}, settings...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	var said bytes.Buffer
	for lines.Scan() {
		var line struct{ Msg, API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			p.url = line.API
			break
		}
		said.Write(append(lines.Bytes(), '\n'))
	}
	if p.url == "" {
		t.Fatalf("the service did not start:\n%s", said.Bytes())
	}
	go io.Copy(io.Discard, stderr)
	return p
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait() // "signal: killed"
	p.client.CloseIdleConnections()
}

func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
}

func (p *process) get(t *testing.T, path string) map[string]any {
	t.Helper()
	res, err := p.client.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, res, http.StatusOK)
}

// pending returns the number of pending deliveries, from a count that began at the given time or
// later. The service reuses a count for a second.
func (p *process) pending(t *testing.T, since time.Time) (int, error) {
	t.Helper()
	q := p.get(t, "/health")["queue"].(map[string]any)
	text, _ := q["counted_at"].(string)
	at, err := time.Parse(time.RFC3339, text)
	n, known := q["pending"].(float64)
	if err != nil || !known || at.Before(since.Truncate(time.Millisecond)) {
		return 0, fmt.Errorf("/health has not counted since %v: %v", since, q)
	}
	return int(n), nil
}

func (p *process) subscribe(t *testing.T, target string) string {
	t.Helper()
	res, err := p.client.Post(p.url+"/subscriptions/", "application/json", bytes.NewReader(fmt.Appendf(nil, `{"target_url": %q}`, target)))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, res, http.StatusCreated)["id"].(string)
}

func (p *process) deliver(t *testing.T, sub string) string {
	t.Helper()
	res, err := p.client.Post(p.url+"/webhooks/ingest/"+sub, "application/json", bytes.NewReader([]byte(created)))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, res, http.StatusAccepted)["delivery_id"].(string)
}

// post publishes an event and returns its id once it is accepted. The service may die at any time.
func (p *process) post(sub string) (string, error) {
	res, err := p.client.Post(p.url+"/webhooks/ingest/"+sub, "application/json", bytes.NewReader(kibibyte))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		EventID string `json:"event_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	return answer.EventID, nil
}

var kibibyte = fmt.Appendf(nil, `{"event": "load.test", "data": %q}`, bytes.Repeat([]byte("x"), 990))

func decode(t *testing.T, res *http.Response, status int) map[string]any {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil || res.StatusCode != status {
		t.Fatalf("%s: %d %s (%v), want %d", res.Request.URL.Path, res.StatusCode, text, err, status)
	}
	return answer
}

// tally is an endpoint that counts each event.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (s *tally) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[r.Header.Get(webhook.HeaderID)]++
}

func (s *tally) count(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[id]
}

func (s *tally) duplicates() (duplicates, distinct int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.counts {
		duplicates += n - 1
	}
	return duplicates, len(s.counts)
}
