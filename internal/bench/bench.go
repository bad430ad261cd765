// Package bench measures a service under load, as an operator would see it. It publishes events
// over HTTP, plays every endpoint itself, and reads from the system what the processes used. It
// knows the service only from outside.
//
// It can also run a relay, which accepts, signs and forwards events without storing anything: the
// best that the machine can do. Absolute numbers differ between machines and hours. The ratio to
// the relay in the same run can be compared.
//
// Start with Run. generator.go publishes, receiver.go receives, and ledger.go counts.
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

// Options say what to measure.
type Options struct {
	Load Load
	Runs int // number of runs; the relay and the service take turns
	// URL is a running service, and Key its API key. If URL is "", each run starts a service on a
	// temporary database. Listen is the address of the endpoints.
	URL, Key, Listen string
	// Relay also runs the relay, alternating with the service, as a process of the binary Self.
	// Program is the hookferry to measure, Env its environment, and Dir the directory of its files.
	Self    string
	Program string
	Env     []string
	Dir     string
	Workers int // if not 0, run an API node and this many workers instead of a single process
	Relay   bool
	Also    []Process // measured in addition to the service
	// Fill is what to store before the service starts.
	Fill Fill
	// Say is called with what is being done.
	Say func(string)
}

// Fill is the content of a database before a run.
type Fill struct {
	Retained      int `json:"retained"`      // number of settled deliveries
	Subscriptions int `json:"subscriptions"` // number of subscriptions that share them
	Backlog       int `json:"backlog"`       // number of due deliveries, of one subscription; if not 0, draining them is measured
	// Write fills the database that the environment names; dir is its directory. Due deliveries are
	// for target, with the payloads of Body. It returns the ids of some of the settled deliveries.
	Write func(ctx context.Context, f Fill, env []string, dir, target string) (sampleIDs []string, err error) `json:"-"`
	Body  func(n int) []byte                                                                                  `json:"-"`
}

// numbered returns f with bodies that the receiver counts in the ledger.
func (f Fill) numbered(l *ledger, size int) Fill {
	f.Body = func(n int) []byte {
		body := newBody(l.run, size)
		number(body, uint64(n), l.start)
		return body
	}
	return f
}

// Run makes the measurement.
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
			f, err := o.runOnce(ctx, filepath.Join(dir, fmt.Sprint("relay", run)), Options.startRelay)
			if err != nil {
				return report, fmt.Errorf("the relay: %w", err)
			}
			relay.Runs = append(relay.Runs, f)
		}
		o.Say(fmt.Sprintf("run %d of %d: the service", run+1, o.Runs))
		f, err := o.runOnce(ctx, filepath.Join(dir, fmt.Sprint("service", run)), Options.startService)
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

// Check returns what is wrong with the options, in terms of the command's flags.
func (o Options) Check() error {
	if err := o.Load.Check(); err != nil {
		return err
	}
	switch {
	case o.Runs < 1:
		return fmt.Errorf("--runs is %d; write at least 1", o.Runs)
	case o.Workers < 0:
		return fmt.Errorf("--workers is %d; write the number of workers to run with an API node, or 0 for a single process", o.Workers)
	case o.URL != "" && (o.Workers > 0 || o.Fill.Backlog > 0 || o.Fill.Retained > 0):
		return errors.New("--workers, --backlog and --retained are for a service that the bench starts itself; leave out --url")
	case o.Load.HTTPS && (o.URL != "" || o.Relay):
		return errors.New("--https needs a service that the bench starts itself, so that it trusts the endpoints' certificate; leave out --url and --relay")
	case o.Fill.Backlog < 0 || o.Fill.Retained < 0:
		return fmt.Errorf("--backlog and --retained are %d and %d; write a number of deliveries, or 0 for none", o.Fill.Backlog, o.Fill.Retained)
	case o.Fill.Subscriptions < 0 || o.Fill.Retained > 0 && o.Fill.Subscriptions == 0:
		return fmt.Errorf("--retained-subscriptions is %d; write at least 1 if --retained is not 0", o.Fill.Subscriptions)
	case o.URL != "" && hostPort(o.URL) == "":
		return errors.New("--url can't be used: write it like http://127.0.0.1:8000, with a port, and without a user name or a path (the bench does not support TLS)")
	}
	return nil
}

// hostPort returns the host and port of a URL that the bench can publish to, or "" for any other.
func hostPort(text string) string {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "http" || u.Port() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	return u.Host
}

// subject is what is measured: where events are published, and which processes count.
type subject struct {
	publisher    publisher
	processes    []Process
	url          string // of the API; "" for the relay
	started      time.Duration
	sampleIDs    []string // ids of deliveries that are already in the database
	createdPaths []string // paths of the subscriptions that were created for it
	end          func()
}

// runOnce makes a single run: it starts everything, warms up, applies the load, and waits for the rest.
func (o Options) runOnce(ctx context.Context, dir string, start func(Options, context.Context, string, *receiver) (subject, error)) (f Figures, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	r, err := newReceiver(ctx, o.Listen, o.Load)
	if err != nil {
		return f, err
	}
	defer r.close()
	backlog := newLedger(Load{Subscriptions: 1}, newRun())
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
		return drainBacklog(ctx, backlog, s, o.Fill.Backlog)
	}
	fresh := int64(0)
	for _, p := range s.processes[:len(s.processes)-len(o.Also)] {
		fresh += usageOf(p.Pid).rss
	}
	if o.Load.Warmup > 0 {
		l := newLedger(o.Load, newRun())
		r.ledger.Store(l)
		if err := s.publisher.post(ctx, l, o.Load.Warmup); err != nil {
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
	self := ownUsage()
	l := newLedger(o.Load, newRun())
	r.ledger.Store(l)
	queries, stop := o.query(ctx, s)
	err := s.publisher.post(ctx, l, o.Load.Duration)
	l.settle(ctx)
	if stop(); err != nil {
		return Figures{}, err
	}
	if ctx.Err() != nil {
		return Figures{}, ctx.Err()
	}
	f := l.figures()
	f.Used = used(l.requests.Load())
	f.Bench = perDelivery(ownUsage().cpu-self.cpu, l.requests.Load())
	f.Started = s.started
	if queries != nil {
		f.Queries, f.QueriesFailed = int(queries.took.total()), int(queries.failed.Load())
		f.Query = queries.took.latency()
	}
	return f, nil
}

// drainBacklog waits until the backlog has arrived.
func drainBacklog(ctx context.Context, l *ledger, s subject, n int) (Figures, error) {
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

// stalled is how long nothing may arrive before missing events count as lost.
const stalled = 20 * time.Second

// settle waits until all accepted events have arrived, or nothing arrives any more.
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

// newRun returns a number that identifies the bodies of a phase.
func newRun() uint64 { return firstRun + rand.Uint64N(8*firstRun) }

func (o Options) startRelay(ctx context.Context, dir string, r *receiver) (subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return subject{}, err
	}
	c, err := startChild(o.Self, dir, "relay", o.Env, "bench", "relay", "--addr", addr, "--to", r.addr())
	if err != nil {
		return subject{}, err
	}
	if err := c.waitUntilUp(ctx, func() error { return tryDial(ctx, addr) }); err != nil {
		c.kill()
		return subject{}, err
	}
	paths := make([]string, o.Load.Subscriptions)
	for i := range paths {
		paths[i] = strings.TrimPrefix(r.url(o.Load, i), "http://"+r.addr())
	}
	return subject{
		publisher: newPublisher(addr, paths, "", o.Load.Size), processes: append([]Process{{"relay", c.cmd.Process.Pid}}, o.Also...), end: c.kill,
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
	var sampleIDs []string
	if o.Fill.Retained > 0 || o.Fill.Backlog > 0 {
		o.Say("filling the database")
		if sampleIDs, err = o.Fill.Write(ctx, o.Fill, o.Env, dir, r.url(Load{Subscriptions: 1}, 0)); err != nil {
			return subject{}, fmt.Errorf("fill the database: %w", err)
		}
	}
	s := subject{sampleIDs: sampleIDs}
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
		if err := c.waitUntilUp(ctx, func() error { return tryDial(ctx, addr) }); err != nil {
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

// roles returns the roles of the service's processes.
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

// serviceEnv returns the environment of a service on dir: the current settings, but with a quiet
// log unless LOG_LEVEL is set, and without an admin address. It does not use --data, which the
// service refuses together with DATABASE_URL.
func (o Options) serviceEnv(dir string) []string {
	env := append([]string{"LOG_LEVEL=WARN", "HOOKFERRY_ADMIN_ADDR=off"}, o.Env...)
	return append(env, "HOOKFERRY_DATA="+dir)
}

// open creates the subscriptions and publishes a first event, whose 202 means that the service has
// started.
func (o Options) open(ctx context.Context, s *subject, r *receiver, key string, begun time.Time) error {
	if o.Fill.Backlog > 0 {
		s.started = time.Since(begun)
		return nil
	}
	one := o.Load
	one.Subscriptions, one.Slow, one.Failing, one.Hanging = 1, 0, 0, 0
	first, err := subscribe(ctx, s.url, key, one, r)
	if s.createdPaths = first; err != nil {
		return err
	}
	c, err := client.New(s.url, client.WithKey(key))
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	if _, err := c.PublishTo(ctx, filepath.Base(first[0]), client.Event{Type: "bench.first", Data: []byte("{}")}); err != nil {
		return fmt.Errorf("publish a first event to %s: %w", s.url, err)
	}
	s.started = time.Since(begun)
	paths := first
	if o.Load.Subscriptions > 1 {
		paths, err = subscribe(ctx, s.url, key, o.Load, r)
		if s.createdPaths = append(s.createdPaths, paths...); err != nil {
			return err
		}
	}
	lines := ""
	if key != "" {
		lines = "Authorization: Bearer " + key + "\r\n"
	}
	s.publisher = newPublisher(hostPort(s.url), paths, lines, o.Load.Size)
	return nil
}

// runningService prepares a running service. Afterwards, only its history has changed.
func (o Options) runningService(ctx context.Context, r *receiver) (subject, error) {
	s := subject{url: strings.TrimRight(o.URL, "/"), processes: o.Also}
	s.end = func() {
		if err := unsubscribe(context.WithoutCancel(ctx), s.url, o.Key, s.createdPaths); err != nil {
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
