package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newSubscribe(s streams) *cobra.Command {
	var r remote
	var asJSON bool
	var in client.SubscriptionInput
	cmd := &cobra.Command{
		Use:   "subscribe URL",
		Short: "Create a subscription",
		Long: `Creates a subscription of a running service: events are delivered to the URL. The first
subscription of a tenant creates the tenant.

With --generate-secret the service makes a secret that signs each delivery. It is printed
once, and can't be shown again.

` + remoteHelp,
		Example: `  hookferry subscribe http://127.0.0.1:9000/webhook
  hookferry subscribe https://example.com/hook --tenant acme --event-type 'invoice.*' --generate-secret`,
		Args: exactArgs("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.TargetURL = args[0]
			return r.use(func(c *client.Client) error {
				sub, err := c.CreateSubscription(cmd.Context(), in)
				switch {
				case err != nil:
					return err
				case asJSON:
					return terminal.WriteJSONLine(s.out, sub)
				}
				return printSubscribed(s, sub)
			})
		},
	}
	f := cmd.Flags()
	r.addFlags(f)
	f.StringVar(&in.Tenant, "tenant", "", "the tenant it belongs to; default: that of the API key, or default")
	f.StringArrayVar(&in.EventTypes, "event-type", nil, "only events of this type, such as user.created or user.*; may be repeated")
	f.StringArrayVar(&in.Channels, "channel", nil, "only events that have this channel; may be repeated")
	f.StringVar(&in.UID, "uid", "", "your own id of the subscription")
	f.StringVar(&in.Name, "name", "", "a name for people")
	f.BoolVar(&in.GenerateSecret, "generate-secret", false, "let the service make the secret, and print it")
	f.BoolVar(&asJSON, "json", false, "print the subscription as JSON")
	return cmd
}

func printSubscribed(s streams, sub client.Subscription) error {
	for _, warning := range sub.Warnings {
		fmt.Fprintf(s.err, "warning: %s\n", terminal.Clean(warning))
	}
	if _, err := fmt.Fprintf(s.out, "subscribed: %s, of the tenant %s\n", terminal.Clean(sub.ID), terminal.Clean(sub.Tenant)); err != nil {
		return err
	}
	if sub.Secret == "" {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "secret: %s\n", terminal.Clean(sub.Secret))
	fmt.Fprintln(s.err, "The secret is not shown again.")
	return err
}
