package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
)

const (
	fewestDemoEvents = 20
	mostDemoEvents   = 20_000
)

func newDemo(s streams) *cobra.Command {
	p := demoPace()
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: the real service, real webhooks, and the account at the end",
		Long: `Starts the service on a temporary database and, on this machine, endpoints that
answer well, slowly, badly or not at all. Sends them events over the HTTP API,
checks every signature that arrives, and adds up at the end what became of each
event. It fails if the account does not balance. Nothing is left behind.

It takes a quarter of a minute at most and needs no network but the loopback.`,
		Example: `  hookferry demo
  hookferry demo --events 5000
  hookferry demo --keep            # and look around afterwards`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.events < fewestDemoEvents || p.events > mostDemoEvents {
				return usageError{fmt.Errorf("--events is %d; choose %d to %d", p.events, fewestDemoEvents, mostDemoEvents)}
			}
			// Else these would end the process at once, and leave the files behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGPIPE, syscall.SIGHUP)
			defer stop()
			d := &demo{pace: p, cast: demoEndpoints(p), keep: keep, screen: newScreen(s.out)}
			return d.run(ctx)
		},
	}
	cmd.Flags().IntVar(&p.events, "events", p.events, "how many events to send")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave it running afterwards, until Ctrl-C")
	return cmd
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

func demoPace() pace {
	return pace{
		events: 400, spread: 4 * time.Second, slow: 250 * time.Millisecond, patience: time.Second, timeout: 2 * time.Second,
		retries: []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond, 2400 * time.Millisecond},
		most:    20 * time.Second, look: 100 * time.Millisecond,
	}
}

// demo is one demonstration.
type demo struct {
	pace   pace
	cast   []endpoint
	keep   bool
	screen *screen

	dir       string
	service   *demoService
	client    *client.Client
	receivers []*receiver
	ledger    *ledger
	refusals  refusals
	started   time.Time
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
			d.screen.print(lineOf(clean(err.Error())))
		}
	}()

	a, err := d.perform(ctx, cancel)
	d.screen.leave()
	switch {
	case interrupted(ctx):
		d.screen.print(lineOf("Stopped before the end. Nothing is left behind."))
		return errSaid
	case err != nil:
		keepFiles = true
		return fmt.Errorf("%w\nThe service's log and its database are in %s", err, d.dir)
	}
	faults := a.faults()
	d.screen.print(d.report(a, faults)...)
	if len(faults) > 0 {
		keepFiles = true
		d.screen.print(lineOf("The service's log and its database are in " + d.dir))
		return errSaid
	}
	if d.keep {
		return d.stay(ctx)
	}
	return d.screen.failed
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
	d.screen.print(d.introduction()...)

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
		r, err := startReceiver(ctx, i, e, d.ledger)
		if err != nil {
			return err
		}
		d.receivers = append(d.receivers, r)
	}
	var err error
	if d.service, err = startDemoService(ctx, d.dir, d.pace, fail); err != nil {
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
