// Package bench measures a service under load, as an operator would see it: it posts events
// over HTTP, is every endpoint itself, and reads from the system what the processes used. It
// knows the service from outside only.
//
// Beside the service it can run a relay, which takes, signs and posts on without storing
// anything: what the machine could do at best. Absolute numbers differ from machine to machine
// and from hour to hour; the ratio to the relay in the same run is what can be compared.
//
// Start with Run; generator.go posts, receiver.go receives, ledger.go counts.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/client"
)

// Options says what to measure.
type Options struct {
	Load Load
	Runs int // how often; the relay and the service take turns
	// URL is a running service, Key its API key; "" starts one for each run, with a
	// database that is thrown away. Listen is where the endpoints are.
	URL, Key, Listen string
	// Relay runs it, too, in turn with the service, as a process of Self. Program is the
	// hookferry to measure, Env its environment and Dir where its files go.
	Self    string
	Program string
	Env     []string
	Dir     string
	Workers int // 0: one process that does all; else an API node and so many workers
	Relay   bool
	Also    []Process // measured beside the service
	// Fill is what is in the database before the service starts.
	Fill Fill
	// Say is told what is being done.
	Say func(string)
}

// Fill is what a database holds before a run.
type Fill struct {
	Retained      int `json:"retained"`      // deliveries that are settled
	Subscriptions int `json:"subscriptions"` // over which they are spread
	Backlog       int `json:"backlog"`       // deliveries that are due, of one subscription; they are what is measured
	// Write writes it into the database that the environment names, with the directory dir.
	// What is due is for target, with the payloads that Body makes. It returns the ids of some
	// of the settled deliveries.
	Write func(ctx context.Context, f Fill, env []string, dir, target string) (some []string, err error) `json:"-"`
	Body  func(n int) []byte                                                                             `json:"-"`
}

// numbered is f with bodies that the receiver counts into the ledger.
func (f Fill) numbered(l *ledger, size int) Fill {
	f.Body = func(n int) []byte {
		body := newBody(l.run, size)
		number(body, uint64(n), l.start)
		return body
	}
	return f
}

// Run measures as o says.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Check(); err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp(o.Dir, "hookferry-bench-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	report := Report{Machine: thisMachine(dir), Load: o.Load, Fill: o.Fill}
	var relay, service Contestant
	for run := range o.Runs {
		if o.Relay {
			o.Say(fmt.Sprintf("run %d of %d: the relay", run+1, o.Runs))
			f, err := o.one(ctx, filepath.Join(dir, fmt.Sprint("relay", run)), Options.startRelay)
			if err != nil {
				return report, fmt.Errorf("the relay: %w", err)
			}
			relay.Runs = append(relay.Runs, f)
		}
		o.Say(fmt.Sprintf("run %d of %d: the service", run+1, o.Runs))
		f, err := o.one(ctx, filepath.Join(dir, fmt.Sprint("service", run)), Options.startService)
		if err != nil {
			return report, err
		}
		service.Runs = append(service.Runs, f)
	}
	if o.Relay {
		relay.Name = "relay"
		report.Contestants = append(report.Contestants, relay)
	}
	service.Name = "service"
	report.Contestants = append(report.Contestants, service)
	return report, nil
}

// Check says what is wrong with what is asked, by the names of the command's flags.
func (o Options) Check() error {
	if err := o.Load.Check(); err != nil {
		return err
	}
	switch {
	case o.Runs < 1:
		return fmt.Errorf("--runs is %d; at least 1 is needed", o.Runs)
	case o.Workers < 0:
		return fmt.Errorf("--workers is %d; write how many workers are to run beside an API node, or 0 for one process that does all", o.Workers)
	case o.URL != "" && (o.Workers > 0 || o.Fill.Backlog > 0 || o.Fill.Retained > 0):
		return errors.New("--workers, --backlog and --retained are for a service that the bench starts itself; leave out --url")
	case o.Load.HTTPS && (o.URL != "" || o.Relay):
		return errors.New("--https is for a service that the bench starts itself, which then trusts the endpoints' certificate; leave out --url and --relay")
	case o.Fill.Backlog < 0 || o.Fill.Retained < 0:
		return fmt.Errorf("--backlog and --retained are %d and %d; write how many deliveries, or 0 for none", o.Fill.Backlog, o.Fill.Retained)
	case o.Fill.Subscriptions < 0 || o.Fill.Retained > 0 && o.Fill.Subscriptions == 0:
		return fmt.Errorf("--retained-subscriptions is %d; at least 1 is needed for those that are retained", o.Fill.Subscriptions)
	case o.URL != "" && hostPort(o.URL) == "":
		return errors.New("--url can't be used: write it like http://127.0.0.1:8000, with the port, and without a user name or a path (the bench speaks no TLS)")
	}
	return nil
}

// hostPort is where a URL leads that the bench can post to, and "" for others.
func hostPort(text string) string {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "http" || u.Port() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	return u.Host
}

// subject is what is measured: where events are posted, and whose use counts.
type subject struct {
	door      door
	processes []Process
	url       string // of the API; "" for the relay
	started   time.Duration
	some      []string // ids of deliveries that are in the database already
	made      []string // paths of the subscriptions that were made for it
	end       func()
}

// one is a single run: everything new, the warm-up, the load, the rest.
func (o Options) one(ctx context.Context, dir string, start func(Options, context.Context, string, *receiver) (subject, error)) (f Figures, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	r, err := newReceiver(ctx, o.Listen, o.Load)
	if err != nil {
		return f, err
	}
	defer r.close()
	backlog := newLedger(Load{Subscriptions: 1}, aRun())
	backlog.next.Store(uint64(o.Fill.Backlog))
	if o.Fill.Backlog > 0 {
		r.ledger.Store(backlog)
		o.Fill = o.Fill.numbered(backlog, o.Load.Size)
	}
	s, err := start(o, ctx, dir, r)
	if err != nil {
		return f, err
	}
	defer s.end()
	if o.Fill.Backlog > 0 {
		return drained(ctx, backlog, s, o.Fill.Backlog)
	}
	fresh := int64(0)
	for _, p := range s.processes[:len(s.processes)-len(o.Also)] {
		fresh += usageOf(p.Pid).rss
	}
	if o.Load.Warmup > 0 {
		l := newLedger(o.Load, aRun())
		r.ledger.Store(l)
		if err := s.door.post(ctx, l, o.Load.Warmup); err != nil {
			return f, err
		}
		l.settle(ctx)
	}
	f, err = o.measure(ctx, s, r)
	f.Fresh = fresh
	return f, err
}

// measure is the phase that counts.
func (o Options) measure(ctx context.Context, s subject, r *receiver) (Figures, error) {
	used := watch(s.processes)
	self := own()
	l := newLedger(o.Load, aRun())
	r.ledger.Store(l)
	queries, stop := o.query(ctx, s)
	err := s.door.post(ctx, l, o.Load.Duration)
	l.settle(ctx)
	if stop(); err != nil {
		return Figures{}, err
	}
	if ctx.Err() != nil {
		return Figures{}, ctx.Err()
	}
	f := l.figures()
	f.Used = used(l.requests.Load())
	f.Bench = perDelivery(own().cpu-self.cpu, l.requests.Load())
	f.Started = s.started
	if queries != nil {
		f.Queries, f.QueriesFailed = int(queries.took.total()), int(queries.failed.Load())
		f.Query = queries.took.latency()
	}
	return f, nil
}

// drained waits until a backlog has arrived.
func drained(ctx context.Context, l *ledger, s subject, n int) (Figures, error) {
	used := watch(s.processes)
	l.acceptedCount.Store(int64(n))
	for i := range n {
		l.accepted.add(uint64(i))
	}
	l.settle(ctx)
	f := l.figures()
	f.Used = used(l.requests.Load())
	f.Started = s.started
	return f, ctx.Err()
}

// stalled is how long nothing may arrive before what is missing counts as lost.
const stalled = 20 * time.Second

// settle waits until all that was accepted has arrived, or nothing arrives any more.
func (l *ledger) settle(ctx context.Context) {
	last, since := int64(-1), time.Now()
	for l.arrivedCount.Load() < l.acceptedCount.Load() && ctx.Err() == nil {
		if n := l.arrivedCount.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > stalled {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// aRun is a number that tells one phase's bodies from all others'.
func aRun() uint64 { return firstRun + rand.Uint64N(8*firstRun) }

func (o Options) startRelay(ctx context.Context, dir string, r *receiver) (subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return subject{}, err
	}
	c, err := startChild(o.Self, dir, "relay", o.Env, "bench", "relay", "--addr", addr, "--to", r.addr())
	if err != nil {
		return subject{}, err
	}
	if err := c.up(ctx, func() error { return dials(ctx, addr) }); err != nil {
		c.kill()
		return subject{}, err
	}
	paths := make([]string, o.Load.Subscriptions)
	for i := range paths {
		paths[i] = strings.TrimPrefix(r.url(o.Load, i), "http://"+r.addr())
	}
	return subject{
		door: newDoor(addr, paths, "", o.Load.Size), processes: append([]Process{{"relay", c.cmd.Process.Pid}}, o.Also...), end: c.kill,
	}, nil
}

func (o Options) startService(ctx context.Context, dir string, r *receiver) (subject, error) {
	if o.URL != "" {
		return o.runningService(ctx, r)
	}
	trust, err := r.trust(dir)
	if err != nil {
		return subject{}, err
	}
	if trust != "" {
		o.Env = append(slices.Clone(o.Env), trust)
	}
	var some []string
	if o.Fill.Retained > 0 || o.Fill.Backlog > 0 {
		o.Say("filling the database")
		if some, err = o.Fill.Write(ctx, o.Fill, o.Env, dir, r.url(Load{Subscriptions: 1}, 0)); err != nil {
			return subject{}, fmt.Errorf("fill the database: %w", err)
		}
	}
	s := subject{some: some}
	var children []*child
	s.end = func() {
		for _, c := range children {
			c.kill()
		}
	}
	begun := time.Now()
	for i, role := range o.roles() {
		addr, err := freeAddr()
		if err != nil {
			s.end()
			return s, err
		}
		c, err := startChild(o.Program, dir, fmt.Sprint(role, i), o.serviceEnv(dir), "serve", "--dev", "--addr", addr, "--role", role)
		if err != nil {
			s.end()
			return s, err
		}
		children = append(children, c)
		if err := c.up(ctx, func() error { return dials(ctx, addr) }); err != nil {
			s.end()
			return s, fmt.Errorf("start the service: %w", err)
		}
		name := "service"
		if role != "all" {
			name = role
		}
		s.processes = append(s.processes, Process{name, c.cmd.Process.Pid})
		if i == 0 {
			s.url = "http://" + addr
		}
	}
	s.processes = append(s.processes, o.Also...)
	if err := o.open(ctx, &s, r, "", begun); err != nil {
		s.end()
		return s, err
	}
	return s, nil
}

// roles are those of the processes that make the service.
func (o Options) roles() []string {
	if o.Workers == 0 {
		return []string{"all"}
	}
	roles := []string{"api"}
	for range o.Workers {
		roles = append(roles, "worker")
	}
	return roles
}

// serviceEnv is the environment of a service that is started on dir: the settings as they are,
// but with a quiet log unless another is asked for, and without an admin address. The directory
// is no flag, because --data beside a DATABASE_URL would be refused.
func (o Options) serviceEnv(dir string) []string {
	env := append([]string{"LOG_LEVEL=WARN", "HOOKFERRY_ADMIN_ADDR=off"}, o.Env...)
	return append(env, "HOOKFERRY_DATA="+dir)
}

// open makes the subscriptions and posts a first event, which is when the service has started.
func (o Options) open(ctx context.Context, s *subject, r *receiver, key string, begun time.Time) error {
	if o.Fill.Backlog > 0 {
		s.started = time.Since(begun)
		return nil
	}
	one := o.Load
	one.Subscriptions, one.Slow, one.Failing, one.Hanging = 1, 0, 0, 0
	first, err := subscribe(ctx, s.url, key, one, r)
	if s.made = first; err != nil {
		return err
	}
	c, err := client.New(s.url, client.WithKey(key))
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	if _, err := c.Publish(ctx, filepath.Base(first[0]), client.Event{Type: "bench.first", Data: []byte("{}")}); err != nil {
		return fmt.Errorf("post a first event to %s: %w", s.url, err)
	}
	s.started = time.Since(begun)
	paths := first
	if o.Load.Subscriptions > 1 {
		paths, err = subscribe(ctx, s.url, key, o.Load, r)
		if s.made = append(s.made, paths...); err != nil {
			return err
		}
	}
	lines := ""
	if key != "" {
		lines = "Authorization: Bearer " + key + "\r\n"
	}
	s.door = newDoor(hostPort(s.url), paths, lines, o.Load.Size)
	return nil
}

// runningService prepares one that runs already, and leaves it as it was but for the history.
func (o Options) runningService(ctx context.Context, r *receiver) (subject, error) {
	s := subject{url: strings.TrimRight(o.URL, "/"), processes: o.Also}
	s.end = func() {
		if err := unsubscribe(context.WithoutCancel(ctx), s.url, o.Key, s.made); err != nil {
			o.Say(err.Error())
		}
	}
	if err := o.open(ctx, &s, r, o.Key, time.Now()); err != nil {
		s.end()
		return s, err
	}
	s.started = 0
	return s, nil
}
