// Producer publishes events to a running service until a signal stops it, and prints the id of each
// acknowledged event, one per line. scripts/compose-test compares these ids with what the endpoint
// received.
//
// It publishes like a careful producer: each event has an idempotency key, and a failed post is
// repeated with the same key. It prints a line for each failure, with the time, to standard error.
//
// Start with run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hookferry/hookferry/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "producer:", err)
		os.Exit(1)
	}
}

// run creates a subscription, publishes events to it until ctx is done, and then waits for the
// posts in flight.
func run(ctx context.Context, args []string, out, failures io.Writer) error {
	flags := flag.NewFlagSet("producer", flag.ContinueOnError)
	url := flags.String("url", "http://127.0.0.1:8000", "URL of the service; HOOKFERRY_API_KEY is its API key")
	target := flags.String("target", "", "URL at which the service reaches the endpoint")
	rate := flags.Int("rate", 200, "events per second")
	connections := flags.Int("connections", 32, "number of connections that publish at the same time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rate < 1 || *connections < 1 {
		return fmt.Errorf("-rate is %d and -connections %d; both must be at least 1", *rate, *connections)
	}
	c, err := client.New(*url, client.WithKey(os.Getenv("HOOKFERRY_API_KEY")))
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	s, err := c.CreateSubscription(ctx, client.SubscriptionInput{TargetURL: *target})
	if err != nil {
		return fmt.Errorf("create a subscription for %s: %w", *target, err)
	}
	p := &producer{publish: c.PublishTo, subscription: s.ID, out: out, failures: failures}
	return p.run(ctx, *connections, time.Second/time.Duration(*rate))
}

// isFinal reports whether the request itself was refused, so that repeating it can't succeed.
func isFinal(err error) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && (problem.Status == 401 || problem.Status == 403 || problem.Status == 404 || problem.Status == 422)
}
