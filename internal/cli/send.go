package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// sendOptions are the flags of `hookferry send`.
type sendOptions struct {
	remote
	idempotencyKey string
	wait           bool
	asJSON         bool
}

func newSend(s streams) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send SUBSCRIPTION_ID EVENT_TYPE [DATA]",
		Short: "Publish one event to one subscription",
		Long: `Publishes one event to a subscription of a running service. DATA is any JSON value. If
it is - or left out, it is read from standard input; at a terminal, it is then {}.

With --wait it prints each attempt until the delivery is settled, and fails if the
delivery fails.

` + remoteHelp,
		Example: `  hookferry send 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071 user.created '{"id": 123}'
  hookferry send --wait 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071 order.paid < order.json`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 || len(args) == 3 {
				return nil
			}
			return usageError{fmt.Errorf("%s takes SUBSCRIPTION_ID EVENT_TYPE [DATA], not %s", cmd.CommandPath(), terminal.Number(len(args), "argument"))}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return newSender(s, o).run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.token, "key", "", "the former name of --token")
	cobra.CheckErr(f.MarkHidden("key"))
	f.StringVar(&o.idempotencyKey, "idempotency-key", "", "makes it safe to send the same event again")
	f.BoolVar(&o.wait, "wait", false, "wait until the delivery is settled; fail if it fails")
	f.BoolVar(&o.asJSON, "json", false, "print the response as JSON; with --wait, the settled delivery")
	return cmd
}

// sender is one run of `hookferry send`.
type sender struct {
	sendOptions
	streams
	pause func(context.Context, time.Duration) error // between two reads of a delivery
}

func newSender(s streams, o sendOptions) *sender {
	return &sender{sendOptions: o, streams: s, pause: sleep}
}

func (s *sender) run(ctx context.Context, args []string) error {
	data, err := s.data(args[2:])
	if err != nil {
		return usageError{err}
	}
	c, err := s.open()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	receipt, err := c.PublishTo(ctx, args[0], client.Event{Type: args[1], Data: data, IdempotencyKey: s.idempotencyKey})
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped; the event may or may not have been accepted")
	case err != nil:
		return s.explain(err)
	}
	switch {
	case s.wait && !receipt.Filtered():
		return s.follow(ctx, c, receipt)
	case s.asJSON:
		return terminal.WriteJSONLine(s.out, receipt)
	case receipt.Filtered():
		fmt.Fprintf(s.out, "filtered: %s; nothing is delivered\n", terminal.Clean(receipt.Reason))
		return nil
	}
	s.printReceipt(receipt)
	fmt.Fprintf(s.out, "  curl \"%s/status/delivery/%s\"\n", terminal.Clean(s.url), terminal.Clean(receipt.DeliveryID))
	return nil
}

func (s *sender) printReceipt(r client.Receipt) {
	fmt.Fprintf(s.out, "accepted: event %s, delivery %s\n", terminal.Clean(r.EventID), terminal.Clean(r.DeliveryID))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
