// Producer publishes events to a running service until a signal stops it, and prints the id of
// each event that the service acknowledged, one a line. scripts/compose-test compares these
// ids with what the endpoint received.
//
// It publishes as a careful producer does: each event has an idempotency key, and a post that
// fails is repeated under the same key. Each failure is one line on the standard error,
// with its time.
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
// posts under way.
func run(ctx context.Context, args []string, out, failures io.Writer) error {
	flags := flag.NewFlagSet("producer", flag.ContinueOnError)
	url := flags.String("url", "http://127.0.0.1:8000", "where the service is; its key is HOOKFERRY_API_KEY")
	target := flags.String("target", "", "URL of the endpoint, as the service reaches it")
	rate := flags.Int("rate", 200, "events a second")
	connections := flags.Int("connections", 32, "how many post at the same time")
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
	p := &producer{publish: c.Publish, subscription: s.ID, out: out, failures: failures}
	return p.run(ctx, *connections, time.Second/time.Duration(*rate))
}

// isFinal reports whether a repetition can't succeed: the request itself is refused.
func isFinal(err error) bool {
	problem, ok := errors.AsType[*client.Problem](err)
	return ok && (problem.Status == 401 || problem.Status == 403 || problem.Status == 404 || problem.Status == 422)
}
