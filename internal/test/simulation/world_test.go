package simulation

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hookferry/hookferry/internal/dispatch"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest"
	"github.com/hookferry/hookferry/internal/store"
	"github.com/hookferry/hookferry/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble plays f with its own clock. The store reuses channels from a pool that outlives a bubble,
// but a channel must not leave its bubble: two garbage collections empty the pool.
func bubble(t *testing.T, f func(w *world)) {
	runtime.GC()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

// world is what outlives a process: the database, the endpoints and the callers.
type world struct {
	t       *testing.T
	path    string
	scripts map[event.ID]script // by subscription

	mu      sync.Mutex
	arrived map[event.ID][]arrival // by delivery
}

// script is an endpoint: how long it takes to respond to the n-th request for an event, and the
// outcome.
type script func(n int, e event.Event) (takes time.Duration, o event.Outcome)

// arrival is a request that arrived at an endpoint.
type arrival struct {
	at      time.Time
	success bool
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, path: filepath.Join(t.TempDir(), "hookferry.db"),
		scripts: map[event.ID]script{}, arrived: map[event.ID][]arrival{},
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// visit lets a request arrive at its endpoint, which responds whatever happens to the sender.
func (w *world) visit(sub event.Subscription, e event.Event) (takes time.Duration, o event.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := event.DeliveryID(e.ID, sub.ID)
	takes, o = w.scripts[sub.ID](len(w.arrived[id])+1, e)
	o.StartedAt, o.Duration = time.Now(), takes
	w.arrived[id] = append(w.arrived[id], arrival{o.StartedAt, o.Success()})
	return takes, o
}

func (w *world) arrivals(id event.ID) []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]arrival(nil), w.arrived[id]...)
}

func ok() event.Outcome { return event.Outcome{StatusCode: 200, Peer: "203.0.113.7:443"} }

func status(code int) event.Outcome {
	o := event.Outcome{StatusCode: code, Code: event.CodeStatus, Error: "the endpoint answered " + http.StatusText(code)}
	if code == 410 {
		o.Code = event.CodeGone
	}
	return o
}

func noResponse() event.Outcome {
	return event.Outcome{Code: event.CodeTimeout, Error: "no response within 10s"}
}

// process is one run of the service on the world's database.
type process struct {
	w     *world
	gate  *gate
	file  *sqlite.Store
	store *store.Cached
	in    *ingest.Ingest
	d     *dispatch.Dispatcher
	end   context.CancelFunc
	ended chan error
}

// start starts a process. Its effects on the outside pass through the gate.
func (w *world) start(g *gate, o dispatch.Options) *process {
	w.t.Helper()
	file, err := sqlite.Open(w.t.Context(), w.path, sqlite.Options{})
	w.must(err)
	cached, err := store.WithCache(gated{file, g}, nil)
	w.must(err)
	p := &process{w: w, gate: g, file: file, store: cached, ended: make(chan error, 1)}
	o.Node, o.Store, o.Subscriptions, o.Sender, o.Observer, o.Log = "node", cached, cached, p, ignoring{}, slog.New(slog.DiscardHandler)
	p.d = dispatch.New(o)
	p.in = &ingest.Ingest{Subscriptions: cached, Store: cached, Handoff: p.d, Observer: ignoring{}, Now: time.Now}
	ctx, end := context.WithCancel(context.Background())
	p.end = end
	go func() { p.ended <- p.d.Run(ctx) }()
	return p
}

// stop stops a process normally. Everything that it wrote is then in the one file, which may be
// copied.
func (p *process) stop() {
	p.w.t.Helper()
	p.end()
	if err := <-p.ended; err != nil {
		p.w.t.Errorf("Run ended with %v", err)
	}
	p.w.must(p.file.Close())
	if _, err := os.Stat(p.w.path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		p.w.t.Errorf("SQLite's log was not written back into the file when it was closed (%v)", err)
	}
}

// Send is the process as a Sender, with the timeout of a real one.
func (p *process) Send(ctx context.Context, sub event.Subscription, c event.Claimed) (o event.Outcome) {
	alive := p.gate.pass("send", func() {
		var takes time.Duration
		takes, o = p.w.visit(sub, c.Event)
		t := time.NewTimer(takes)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			o = event.Outcome{StartedAt: o.StartedAt, Code: event.CodeConnectionClosed}
		}
	})
	if !alive {
		return event.Outcome{StartedAt: time.Now(), Code: event.CodeConnectionClosed}
	}
	return o
}

// subscribe creates a subscription with its endpoint.
func (w *world) subscribe(s store.Subscriptions, at script, edits ...func(*event.Subscription)) event.Subscription {
	w.t.Helper()
	now := time.Now()
	sub := event.Subscription{ID: event.NewID(now), TargetURL: "https://example.com/", Active: true, CreatedAt: now, UpdatedAt: now}
	for _, edit := range edits {
		edit(&sub)
	}
	w.scripts[sub.ID] = at
	w.must(s.CreateSubscription(w.t.Context(), sub))
	return sub
}

// post is a request of a caller.
func (p *process) post(sub event.ID, key string) (event.Submitted, error) {
	return p.in.Ingest(context.Background(), event.Submission{
		SubscriptionID: sub, IdempotencyKey: key, ContentType: "application/json", Body: []byte(`{"event":"user.created","data":{"id":1}}`),
	})
}

// publish is a request of a caller who publishes to the tenant of these subscriptions, which all
// match. Package seeded covers what happens if they change meanwhile.
func (p *process) publish(to []event.Subscription, key string) (event.Receipt, error) {
	ctx, now := context.Background(), time.Now()
	t, err := p.store.Tenant(ctx, to[0].Tenant)
	if err != nil {
		return event.Receipt{}, err
	}
	_, types, err := p.store.EventTypesSince(ctx, 0)
	if err != nil {
		return event.Receipt{}, err
	}
	e := event.Event{
		ID: event.NewID(now), Type: "user.created", ContentType: "application/json", Payload: []byte(`{"event":"user.created","data":{"id":1}}`), CreatedAt: now, TenantNo: t.No,
	}
	a := event.Acceptance{Event: e, IdempotencyKey: key, Published: true, TenantVersion: t.Version, TypesVersion: types}
	for _, sub := range to {
		a.Deliveries = append(a.Deliveries, event.Delivery{ID: event.DeliveryID(e.ID, sub.ID), EventID: e.ID, SubscriptionID: sub.ID, DueAt: now, CreatedAt: now})
	}
	receipt, err := p.store.Accept(ctx, a)
	p.d.Wake()
	return receipt, err
}

// account checks that everything accepted is counted once.
func (w *world) account(s store.History, accepted int) map[event.Status]int {
	w.t.Helper()
	n, err := s.Count(w.t.Context())
	w.must(err)
	sum := 0
	for _, status := range event.Statuses {
		sum += n[status]
	}
	if sum != accepted {
		w.t.Errorf("%d were accepted; the account has %d: %v", accepted, sum, n)
	}
	return n
}

func (w *world) report(s store.History, id event.ID) event.DeliveryReport {
	w.t.Helper()
	r, err := s.Delivery(w.t.Context(), id)
	w.must(err)
	return r
}

// successes counts the recorded attempts that succeeded.
func successes(r event.DeliveryReport) (n int) {
	for _, a := range r.Attempts {
		if a.Outcome.Success() {
			n++
		}
	}
	return n
}

// ignoring is an Observer that ignores everything.
type ignoring struct{}

func (ignoring) InFlight(int)             {}
func (ignoring) Attempt(event.Settlement) {}
func (ignoring) Accepted()                {}
func (ignoring) Filtered()                {}
