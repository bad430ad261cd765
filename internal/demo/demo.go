// Package demo is the demonstration that `hookferry demo` gives: endpoints on this machine
// that answer well, slowly, badly or not at all, events for them, and at the end the
// account of what became of each. What the service says is compared with what the
// endpoints saw themselves, so that the account proves something.
//
// It starts no service: its caller hands one over, which it then uses over the HTTP
// API, as anybody would.
//
// Start with Run; endpoints.go has the cast, ledger.go what is seen, account.go the sums.
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
	// FewestEvents are enough for each endpoint to have some.
	FewestEvents = 20
	// MostEvents are as many as can be looked at.
	MostEvents = 20_000
	// DefaultEvents are sent unless Options say otherwise.
	DefaultEvents = 400
)

// ErrSaid is a demonstration that failed; its output has said why.
var ErrSaid = errors.New("said above")

// Options say what is demonstrated.
type Options struct {
	Release string    // the version that is shown
	Events  int       // FewestEvents to MostEvents
	Keep    bool      // leaves it running afterwards, until the context ends
	Out     io.Writer // what is told
	// Start starts a service on the directory of a database, with these settings, as
	// they stand in the environment, and its log.
	Start func(ctx context.Context, settings []string, dir string, log io.Writer) (Service, error)
}

// Service is a service that has been started and runs with Run.
type Service interface {
	Addr() string
	AdminAddr() string
	// Account counts the deliveries that the database keeps, by the name of their status.
	Account(ctx context.Context) (map[string]int, error)
	Run(ctx context.Context) error
}

// Run gives the demonstration. It fails if the account does not balance.
func Run(ctx context.Context, o Options) error {
	p := usualPace()
	p.events = o.Events
	return newDemo(o, p).run(ctx)
}

// pace is how much the demonstration does and how long it takes over it.
type pace struct {
	events   int
	spread   time.Duration   // over which the events are sent
	slow     time.Duration   // how long the slow endpoint takes
	patience time.Duration   // how long the service waits for the one that hangs
	timeout  time.Duration   // how long it waits for the others
	retries  []time.Duration // the retry schedule
	most     time.Duration   // how long the end is waited for, once all are sent
	look     time.Duration   // between two looks at how it goes
}

func usualPace() pace {
	return pace{
		events: DefaultEvents, spread: 4 * time.Second, slow: 250 * time.Millisecond, patience: time.Second, timeout: 2 * time.Second,
		retries: []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond, 2400 * time.Millisecond},
		most:    20 * time.Second, look: 100 * time.Millisecond,
	}
}

// demo is one demonstration.
type demo struct {
	Options
	pace   pace
	cast   []endpoint
	screen *terminal.Screen

	dir       string
	service   *service
	client    *client.Client
	receivers []*endpointServer
	ledger    *ledger
	refusals  refusals
	started   time.Time
}

func newDemo(o Options, p pace) *demo {
	return &demo{Options: o, pace: p, cast: endpoints(p), screen: terminal.NewScreen(o.Out)}
}

// run is the demonstration from its beginning to its end.
func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keepFiles := false
	if d.dir, err = os.MkdirTemp("", "hookferry-demo-"); err != nil {
		return fmt.Errorf("make a directory for the database: %w", err)
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
		d.screen.Print(terminal.LineOf("Stopped before the end. Nothing is left behind."))
		return ErrSaid
	case err != nil:
		keepFiles = true
		return fmt.Errorf("%w\nThe service's log and its database are in %s", err, d.dir)
	}
	faults := a.faults()
	d.screen.Print(d.report(a, faults)...)
	if len(faults) > 0 {
		keepFiles = true
		d.screen.Print(terminal.LineOf("The service's log and its database are in " + d.dir))
		return ErrSaid
	}
	if d.Keep {
		return d.stay(ctx)
	}
	return d.screen.Failed()
}

// interrupted reports whether it was the user who ended ctx, and not a failure.
func interrupted(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), context.Canceled)
}

// perform starts everything, sends the events, waits for their end and asks the
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
	plan := planEvents(d.pace.events, d.cast)
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

// start starts the receivers and the service, and makes the client.
func (d *demo) start(ctx context.Context, fail context.CancelCauseFunc) error {
	d.ledger = newLedger(len(d.cast))
	for i, e := range d.cast {
		r, err := startEndpoint(ctx, i, e, d.ledger)
		if err != nil {
			return err
		}
		d.receivers = append(d.receivers, r)
	}
	var err error
	if d.service, err = startService(ctx, d.Options, d.dir, d.pace, fail); err != nil {
		return err
	}
	d.client, err = client.New(d.service.url())
	return err
}

// subscribe creates a subscription for each receiver over the API.
func (d *demo) subscribe(ctx context.Context) error {
	for _, r := range d.receivers {
		input := r.settings
		input.TargetURL, input.Secret, input.Description = r.url(), r.secret, r.name+": "+r.manner
		s, err := d.client.CreateSubscription(ctx, input)
		if err != nil {
			return fmt.Errorf("create the subscription of %s: %w", r.name, err)
		}
		r.subscription = s.ID
	}
	return nil
}

// close stops everything: the service first, while its receivers still answer.
func (d *demo) close(keepFiles bool) error {
	var errs []error
	if d.service != nil {
		errs = append(errs, d.service.stop())
	}
	for _, r := range d.receivers {
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
