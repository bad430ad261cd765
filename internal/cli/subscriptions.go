package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newSubscriptions(s streams) *cobra.Command {
	var r remote
	var asJSON bool
	var q client.SubscriptionQuery
	cmd := &cobra.Command{
		Use:   "subscriptions",
		Short: "List subscriptions",
		Long: `Lists the subscriptions of a running service, newest first. The flags select some of them.

` + remoteHelp,
		Example: `  hookferry subscriptions --tenant acme
  hookferry subscriptions --state failing --json | jq -r .target_url`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.use(func(c *client.Client) error {
				return printList(s, asJSON, c.FindSubscriptions(cmd.Context(), q), "ID\tTENANT\tSTATE\tUID\tNAME\tEVENT TYPES\tURL", subscriptionRow)
			})
		},
	}
	f := cmd.Flags()
	r.addFlags(f)
	f.StringVar(&q.Tenant, "tenant", "", "only those of this tenant")
	f.StringVar(&q.Text, "search", "", "only those whose name, URL, description or uid contains this text")
	f.StringVar(&q.State, "state", "", "only those in this state: disabled, paused, failing or healthy")
	f.StringVar(&q.EventType, "event-type", "", "only those that want events of this type")
	f.StringVar(&q.Sort, "sort", "", "created (newest first, the default) or name")
	f.BoolVar(&asJSON, "json", false, "print JSON, one object per line")
	return cmd
}

func subscriptionRow(sub client.Subscription) []string {
	types := "all"
	if len(sub.EventTypes) > 0 {
		types = terminal.Shorten(strings.Join(sub.EventTypes, ","), 40)
	}
	return []string{sub.ID, sub.Tenant, sub.State, sub.UID, terminal.Shorten(sub.Name, 40), types, sub.TargetURL}
}
