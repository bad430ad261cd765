package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newTenants(s streams) *cobra.Command {
	var r remote
	var asJSON bool
	var text string
	cmd := &cobra.Command{
		Use:   "tenants",
		Short: "List, create, change and delete tenants",
		Long: `Lists the tenants of a running service, or creates, changes and deletes one. A tenant is
whose webhooks they are: usually a customer.

` + remoteHelp,
		Example: `  hookferry tenants
  hookferry tenants put acme --name 'Acme Ltd.'
  hookferry tenants delete acme`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.use(func(c *client.Client) error {
				return printList(s, asJSON, c.FindTenants(cmd.Context(), text), "ID\tNAME\tEVENTS/S\tPENDING\tSUBSCRIPTIONS\tCREATED", tenantRow)
			})
		},
	}
	r.addFlags(cmd.PersistentFlags())
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON, one object per line")
	cmd.Flags().StringVar(&text, "search", "", "only tenants whose id or name contains this text")
	cmd.AddCommand(newTenantsPut(s, &r, &asJSON), newTenantsDelete(s, &r, &asJSON))
	return cmd
}

// tenantRow shows a tenant with its limits.
func tenantRow(t client.Tenant) []string {
	return []string{t.ID, t.Name, limitOf(t.Limits.PublishPerSecond), limitOf(t.Limits.Pending), limitOf(t.Limits.Subscriptions), timeOrNone(t.CreatedAt)}
}

// limitOf shows a limit; 0 means that there is none.
func limitOf[T int | float64](limit T) string {
	if limit == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(limit), 'f', -1, 64)
}

func newTenantsPut(s streams, r *remote, asJSON *bool) *cobra.Command {
	var named string
	cmd := &cobra.Command{
		Use:   "put ID",
		Short: "Create a tenant, or change its name",
		Long: `Creates a tenant, or changes the name of an existing one. Its metadata and limits stay;
the API can set them. The id has up to 64 letters, digits and ". _ -".`,
		Example: "  hookferry tenants put acme --name 'Acme Ltd.'",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.use(func(c *client.Client) error {
				t, err := putTenant(cmd.Context(), c, args[0], func(in *client.TenantInput) {
					if cmd.Flags().Changed("name") {
						in.Name = named
					}
				})
				switch {
				case err != nil:
					return err
				case *asJSON:
					return terminal.WriteJSONLine(s.out, t)
				}
				name := ""
				if t.Name != "" {
					name = fmt.Sprintf(", %q", t.Name)
				}
				_, err = fmt.Fprintf(s.out, "tenant %s%s\n", terminal.Clean(t.ID), name)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&named, "name", "", "a name for people")
	return cmd
}

// putTenant creates a tenant, or changes the one that exists.
func putTenant(ctx context.Context, c *client.Client, id string, change func(*client.TenantInput)) (client.Tenant, error) {
	t, err := c.Tenant(ctx, id)
	if err != nil && !hasCode(err, "tenant_not_found") {
		return t, err
	}
	in := t.Input()
	change(&in)
	return c.PutTenant(ctx, id, in)
}

func newTenantsDelete(s streams, r *remote, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a tenant with its keys and subscriptions",
		Long: `Deletes a tenant. Its API keys stop working at once. Soon afterwards its subscriptions
are deleted and their pending deliveries cancelled.`,
		Example: "  hookferry tenants delete acme",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.use(func(c *client.Client) error {
				if err := c.DeleteTenant(cmd.Context(), args[0]); err != nil {
					return err
				}
				return printDone(s, *asJSON, "deleted", args[0])
			})
		},
	}
}
