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

// publishOptions are the flags of `hookferry publish`.
type publishOptions struct {
	remote
	event     client.Event
	deliverAt string
	file      string
	match     bool
	asJSON    bool
}

func newPublish(s streams) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish EVENT_TYPE [DATA]",
		Short: "Publish one event, or a file of events, to a tenant",
		Long: `Publishes an event to a tenant of a running service, which delivers it to each of the
tenant's subscriptions that wants it. DATA is any JSON value. If it is - or left out, it
is read from standard input; at a terminal, it is then {}.

With --match nothing is published: it lists the subscriptions of the tenant, and says
which of them would get the event.

With --file it publishes a file of events, one JSON object per line with the fields of the
API: {"event": "user.created", "data": {"id": 123}, "tenant": "acme"}. An event that is
wrong does not stop the others. Give each event an "idempotency_key", and the file can be
published again safely.

` + remoteHelp,
		Example: `  hookferry publish user.created '{"id": 123}' --tenant acme
  hookferry publish invoice.paid --match < invoice.json
  hookferry publish --file events.jsonl`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              func(cmd *cobra.Command, args []string) error { return o.check(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.file != "" {
				return publishFile(cmd.Context(), s, &o)
			}
			o.event.Type = args[0]
			data, err := s.data(args[1:])
			if err != nil {
				return usageError{err}
			}
			o.event.Data = data
			return o.use(func(c *client.Client) error { return o.publish(cmd.Context(), s, c) })
		},
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.event.Tenant, "tenant", "", "the tenant to publish to; default: that of the API key, or default")
	f.StringArrayVar(&o.event.Channels, "channel", nil, "a channel of the event; may be repeated")
	f.StringVar(&o.event.SubscriptionID, "subscription", "", "id of the only subscription that may get it")
	f.StringVar(&o.deliverAt, "deliver-at", "", "when to deliver it, like 2027-01-31T09:00:00Z")
	f.BoolVar(&o.event.NoRetry, "no-retry", false, "make one attempt and no more")
	f.StringVar(&o.event.IdempotencyKey, "idempotency-key", "", "makes it safe to publish the same event again")
	f.BoolVar(&o.match, "match", false, "publish nothing; list the subscriptions and say which would get the event")
	f.StringVar(&o.file, "file", "", "publish the events of this `FILE`, one JSON object per line; - for standard input")
	f.BoolVar(&o.asJSON, "json", false, "print the response as JSON; with --file or --match, one object per line")
	return cmd
}

// check checks the arguments, and the flags that go with them.
func (o *publishOptions) check(cmd *cobra.Command, args []string) error {
	if o.file != "" {
		return o.checkFile(cmd, args)
	}
	if len(args) != 1 && len(args) != 2 {
		return usageError{fmt.Errorf("%s takes EVENT_TYPE [DATA] or --file FILE, not %s", cmd.CommandPath(), terminal.Number(len(args), "argument"))}
	}
	if o.deliverAt == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, o.deliverAt)
	if err != nil {
		return usageError{fmt.Errorf("--deliver-at is %q: write a time with its zone, like 2027-01-31T09:00:00Z", o.deliverAt)}
	}
	o.event.DeliverAt = at
	return nil
}

// checkFile refuses what has no effect on the events of a file, because each has its own.
func (o *publishOptions) checkFile(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments with --file, but got %q", cmd.CommandPath(), args[0])}
	}
	for _, name := range []string{"tenant", "channel", "subscription", "deliver-at", "no-retry", "idempotency-key", "match"} {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s has no effect with --file: each line says it for its event", name)}
		}
	}
	return nil
}

func (o *publishOptions) publish(ctx context.Context, s streams, c *client.Client) error {
	if o.match {
		return printList(s, o.asJSON, c.Match(ctx, o.event), "SUBSCRIPTION\tGETS IT\tRULE\tREASON", matchRow)
	}
	p, err := c.Publish(ctx, o.event)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped; the event may or may not have been published")
	case err != nil:
		return err
	case o.asJSON:
		return terminal.WriteJSONLine(s.out, p)
	}
	_, err = fmt.Fprintf(s.out, "published: event %s to the tenant %s, %s\n", terminal.Clean(p.EventID), terminal.Clean(p.Tenant), describePublished(p))
	return err
}

// describePublished says how many deliveries were made.
func describePublished(p client.Published) string {
	text := deliveries(p.Deliveries)
	switch {
	case p.Deliveries == 0:
		text = "no deliveries: no subscription wants it (--match says why)"
	case p.Refused > 0:
		text += fmt.Sprintf(", of which %d failed at once: too many deliveries of the subscription are pending", p.Refused)
	}
	if p.Duplicate {
		text += "; it was published before, with the same idempotency key"
	}
	return text
}

// deliveries returns a count with its noun.
func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

func matchRow(m client.Match) []string {
	gets := "no"
	if m.Matched {
		gets = "yes"
	}
	return []string{m.SubscriptionID, gets, m.Rule, m.Reason}
}
