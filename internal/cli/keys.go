package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hookferry/internal/app"
	"hookferry/internal/config"
)

func newKeys(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys; rotate the master key",
		Long: `Makes, lists and revokes API keys. The service may be running meanwhile: a new key
works at once, and a revoked one stops working within two seconds.`,
		Example: `  hookferry keys create billing
  hookferry keys list
  hookferry keys revoke 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&o.Data, "data", "", "directory of the SQLite file (HOOKFERRY_DATA)")
	cmd.AddCommand(newKeysCreate(s, &o), newKeysList(s, &o), newKeysRevoke(s, &o), newKeysRotateMaster(s, &o))
	return cmd
}

func newKeysCreate(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a key and print it, this once",
		Long:    "Makes a key and prints it to the standard output. It is not kept and can't be shown again.",
		Example: "  hookferry keys create billing",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(*o)
			if err != nil {
				return err
			}
			text, key, err := app.CreateKey(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(s.out, text); err != nil {
				return fmt.Errorf("the key %s was made and could not be printed; revoke it and make another: %w", key.ID, err)
			}
			fmt.Fprintf(s.err, "This is the key %q, %s. It is not shown again. Send it as `Authorization: Bearer …`.\n", key.Name, key.ID)
			return nil
		},
	}
}

func newKeysList(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the keys, without what makes them keys",
		Example: "  hookferry keys list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(*o)
			if err != nil {
				return err
			}
			list, err := app.ListKeys(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tBEGINS WITH\tMADE\tREVOKED")
			for _, k := range list {
				revoked := "-"
				if !k.RevokedAt.IsZero() {
					revoked = k.RevokedAt.Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%q\t%s\t%s\t%s\n", k.ID, k.Name, k.Prefix, k.CreatedAt.Format(time.RFC3339), revoked)
			}
			return w.Flush()
		},
	}
}

func newKeysRevoke(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make a key invalid for good",
		Example: "  hookferry keys revoke 0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(*o)
			if err != nil {
				return err
			}
			if err := app.RevokeKey(cmd.Context(), cfg, args[0]); err != nil {
				return fmt.Errorf("%w; `hookferry keys list` prints those there are", err)
			}
			_, err = fmt.Fprintf(s.out, "revoked %s\n", args[0])
			return err
		},
	}
}
