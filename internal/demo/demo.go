// Package demo implements `hookferry demo`. It runs endpoints on this machine that respond well,
// slowly, badly or not at all, publishes events for them, and at the end counts what became of each
// event. It compares what the service reports with what the endpoints saw, so that the numbers
// prove something.
//
// It does not start a service: the caller passes one, and the demo uses its HTTP API like any
// client.
//
// Start with Run. endpoints.go describes the endpoints, ledger.go records what they see, and
// account.go compares the numbers.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

const (
	// FewestEvents is enough for each endpoint to get some.
	FewestEvents = 20
	// MostEvents limits the time that a demo takes.
	MostEvents = 20_000
	// DefaultEvents is the default of Options.Events.
	DefaultEvents = 400
)

// ErrSaid means that the demo failed and that its output has said why.
var ErrSaid = errors.New("said above")

// Options configure the demo.
type Options struct {
	Release string    // the version to print
	Events  int       // FewestEvents to MostEvents
	Keep    bool      // keep running after the report, until the context ends
	Out     io.Writer // where to print
	// Start starts a service with its database in dir. settings are environment variables, and log
	// gets the service's log.
	Start func(ctx context.Context, settings []string, dir string, log io.Writer) (Service, error)
}

// Service is a service that has been created, and that Run runs.
type Service interface {
	Addr() string
	AdminAddr() string
	// Account counts the deliveries in the database by status.
	Account(ctx context.Context) (map[string]int, error)
	Run(ctx context.Context) error
}

// Run runs the demo. It fails if the numbers do not add up.
func Run(ctx context.Context, o Options) error {
	p := usualPace()
	p.events = o.Events
	return newDemo(o, p).run(ctx)
}

// pace determines the size and the duration of the demo.
type pace struct {
	events   int
	spread   time.Duration   // time over which the events are published
	slow     time.Duration   // response time of the slow endpoint
	patience time.Duration   // timeout of requests to the endpoint that hangs
	timeout  time.Duration   // timeout of all other requests
	retries  []time.Duration // the retry schedule
	most     time.Duration   // how long to wait for deliveries after the last event
	look     time.Duration   // interval between two updates of the screen
}

func usualPace() pace {
	return pace{
		events: DefaultEvents, spread: 4 * time.Second, slow: 250 * time.Millisecond, patience: time.Second, timeout: 2 * time.Second,
		retries: []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond, 2400 * time.Millisecond},
		most:    20 * time.Second, look: 100 * time.Millisecond,
	}
}

// demo is one run of the demo.
type demo struct {
	Options
	pace      pace
	endpoints []endpoint
	screen    *terminal.Screen

	dir      string
	service  *service
	client   *client.Client
	servers  []*endpointServer
	ledger   *ledger
	refusals refusals
	started  time.Time
}

func newDemo(o Options, p pace) *demo {
	return &demo{Options: o, pace: p, endpoints: endpoints(p), screen: terminal.NewScreen(o.Out)}
}

// run runs the demo from start to end.
func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keepFiles := false
	if d.dir, err = os.MkdirTemp("", "hookferry-demo-"); err != nil {
		return fmt.Errorf("create a directory for the database: %w", err)
	}
	defer func() {
		if err := d.close(keepFiles); err != nil {
			d.screen.Print(terminal.LineOf(terminal.Clean(err.Error())))
		}
	}()

	a, err := d.perform(ctx, cancel)
	d.screen.Leave()
	switch {
	case interrupted(ctx):
		d.screen.Print(terminal.LineOf("Stopped before the end. All files are removed."))
		return ErrSaid
	case err != nil:
		keepFiles = true
		return fmt.Errorf("%w\nThe log and the database of the service are in %s", err, d.dir)
	}
	faults := a.faults()
	d.screen.Print(d.report(a, faults)...)
	if len(faults) > 0 {
		keepFiles = true
		d.screen.Print(terminal.LineOf("The log and the database of the service are in " + d.dir))
		return ErrSaid
	}
	if d.Keep {
		return d.keepRunning(ctx)
	}
	return d.screen.Failed()
}

// interrupted reports whether ctx ended because the user interrupted the demo, not because of a
// failure.
func interrupted(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), context.Canceled)
}

// perform starts everything, publishes the events, waits until they are settled, and asks the
// service what became of them.
func (d *demo) perform(ctx context.Context, fail context.CancelCauseFunc) (account, error) {
	if err := d.start(ctx, fail); err != nil {
		return account{}, err
	}
	if err := d.subscribe(ctx); err != nil {
		return account{}, err
	}
	d.screen.Print(d.introduction()...)

	d.started = time.Now()
	plan := planEvents(d.pace.events, d.endpoints)
	d.ledger.plan(plan)
	sent := make(chan error, 1)
	go func() { sent <- d.publish(ctx, plan) }()
	if err := d.watch(ctx, sent); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return account{}, err
	}
	if err := d.tryRefusals(ctx); err != nil {
		return account{}, err
	}
	return d.audit(ctx)
}

// start starts the endpoints and the service, and creates the client.
func (d *demo) start(ctx context.Context, fail context.CancelCauseFunc) error {
	d.ledger = newLedger(len(d.endpoints))
	for i, e := range d.endpoints {
		r, err := startEndpoint(ctx, i, e, d.ledger)
		if err != nil {
			return err
		}
		d.servers = append(d.servers, r)
	}
	var err error
	if d.service, err = startService(ctx, d.Options, d.dir, d.pace, fail); err != nil {
		return err
	}
	d.client, err = client.New(d.service.url())
	return err
}

// subscribe creates a subscription for each endpoint over the API.
func (d *demo) subscribe(ctx context.Context) error {
	for _, r := range d.servers {
		input := r.settings
		input.TargetURL, input.Secret, input.Description = r.url(), r.secret, r.name+": "+r.behaviour
		s, err := d.client.CreateSubscription(ctx, input)
		if err != nil {
			return fmt.Errorf("create the subscription of %s: %w", r.name, err)
		}
		r.subscription = s.ID
	}
	return nil
}

// close stops everything: first the service, while its endpoints still respond.
func (d *demo) close(keepFiles bool) error {
	var errs []error
	if d.service != nil {
		errs = append(errs, d.service.stop())
	}
	for _, r := range d.servers {
		r.close()
	}
	if d.client != nil {
		d.client.CloseIdleConnections()
	}
	if !keepFiles {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
