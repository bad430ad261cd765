package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
)

func newKeysCreate(s streams, o *config.Overrides) *cobra.Command {
	var wanted keys.Wanted
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an API key and print it once",
		Long: `Creates an API key and prints it to standard output. The key itself is not stored, so it
can't be shown again. Its scope says what it may do:

  admin    everything
  publish  publish events, and nothing else: for producers
  read     read everything except secrets, and change nothing: for people and monitors

With --tenant it sees and uses that tenant alone.`,
		Example: `  hookferry keys create operator
  hookferry keys create billing --scope publish --expires 90d
  hookferry keys create support --scope read --expires 2027-01-31
  hookferry keys create acme-shop --scope publish --tenant acme`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted.Name = args[0]
			text, key, err := keys.New(wanted, time.Now())
			if err != nil {
				return err
			}
			database, err := addKey(cmd.Context(), *o, key)
			if errors.Is(err, event.ErrNotFound) && key.IsBound() {
				return fmt.Errorf("there is no tenant %q; `hookferry tenants put %s` creates it in a running service", key.Tenant, key.Tenant)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(s.out, text); err != nil {
				return fmt.Errorf("the key %s was created but can't be printed; revoke it and create another: %w", key.ID, err)
			}
			expiry := "it never expires"
			if !key.ExpiresAt.IsZero() {
				expiry = "it expires at " + key.ExpiresAt.Format(time.RFC3339)
			}
			boundTo := ""
			if key.IsBound() {
				boundTo = " for the tenant " + key.Tenant
			}
			fmt.Fprintf(s.err, "Created the key %q, %s, with the scope %s%s; %s. It is not shown again. Send it as `Authorization: Bearer …`.\nThe database is %s.\n",
				key.Name, key.ID, key.Scope, boundTo, expiry, database)
			return nil
		},
	}
	cmd.Flags().StringVar(&wanted.Scope, "scope", "admin", "what the key may do: admin, publish or read")
	cmd.Flags().StringVar(&wanted.Tenant, "tenant", "", "id of the only tenant that the key may see and use; default: all tenants")
	cmd.Flags().StringVar(&wanted.Expires, "expires", "", "how long the key is valid (90d, 12h), or until when (2027-01-31, in UTC); default: it never expires")
	return cmd
}

// addKey stores a key, and returns the location of the database. It creates a missing database,
// because a service needs a key before it starts.
func addKey(ctx context.Context, o config.Overrides, key event.APIKey) (database string, err error) {
	cfg, err := loadConfig(o)
	if err != nil {
		return "", err
	}
	s, err := app.OpenForCommand(ctx, cfg)
	if err != nil {
		return "", err
	}
	return cfg.Database.String(), errors.Join(s.CreateKey(ctx, key), s.Close())
}
