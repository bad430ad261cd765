package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/keys"
)

func newKeys(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke API keys; rotate the master key",
		Long: `Creates, lists and revokes API keys. The service may be running: a new key works at
once, a revoked key stops working within two seconds, and an expired key at once.`,
		Example: `  hookferry keys create billing --scope publish
  hookferry keys list
  hookferry keys revoke 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&o.Data, "data", "", "directory of the SQLite database (HOOKFERRY_DATA)")
	cmd.AddCommand(newKeysCreate(s, &o), newKeysList(s, &o), newKeysRevoke(s, &o), newKeysRotateMaster(s, &o))
	return cmd
}

// withKeys opens the database, which must exist. A service may be running on it.
func withKeys(ctx context.Context, o config.Overrides, use func(keys.Store) error) error {
	cfg, err := loadConfig(o)
	if err != nil {
		return err
	}
	s, err := app.OpenExisting(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}

func newKeysList(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List API keys (the keys themselves are never shown)",
		Long:    "Lists the API keys, oldest first. The time of last use is updated every five minutes.",
		Example: "  hookferry keys list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []event.APIKey
			err := withKeys(cmd.Context(), *o, func(s keys.Store) (err error) {
				list, err = s.ListKeys(cmd.Context())
				return err
			})
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tSCOPE\tTENANT\tBEGINS WITH\tCREATED\tEXPIRES\tREVOKED\tLAST USED")
			for _, k := range list {
				fmt.Fprintf(w, "%s\t%q\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Scope, cmp.Or(k.Tenant, "-"), k.Prefix,
					timeOrNone(k.CreatedAt), timeOrNone(k.ExpiresAt), timeOrNone(k.RevokedAt), timeOrNone(k.UsedAt))
			}
			return w.Flush()
		},
	}
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func newKeysRevoke(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke an API key permanently",
		Example: "  hookferry keys revoke 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := withKeys(cmd.Context(), *o, func(s keys.Store) error {
				if err := keys.Revoke(cmd.Context(), s, args[0]); err != nil {
					return fmt.Errorf("%w; `hookferry keys list` shows all keys", err)
				}
				return nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "revoked %s\n", args[0])
			return err
		},
	}
}
