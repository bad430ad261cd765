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
		Short: "Make a key and print it, this once",
		Long: `Makes a key and prints it to the standard output. It is not kept and can't be shown
again. Its scope says what it may do:

  admin    everything
  publish  send events in, and nothing else: for producers
  read     see everything but secrets, and change nothing: for people who look, and monitors`,
		Example: `  hookferry keys create operator
  hookferry keys create billing --scope publish --expires 90d
  hookferry keys create support --scope read --expires 2027-01-31`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted.Name = args[0]
			text, key, err := keys.New(wanted, time.Now())
			if err != nil {
				return err
			}
			database, err := addKey(cmd.Context(), *o, key)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(s.out, text); err != nil {
				return fmt.Errorf("the key %s was made and could not be printed; revoke it and make another: %w", key.ID, err)
			}
			ends := "does not end by itself"
			if !key.ExpiresAt.IsZero() {
				ends = "ends at " + key.ExpiresAt.Format(time.RFC3339)
			}
			fmt.Fprintf(s.err, "This is the key %q, %s, with the scope %s; it %s. It is not shown again. Send it as `Authorization: Bearer …`.\nThe database is %s.\n",
				key.Name, key.ID, key.Scope, ends, database)
			return nil
		},
	}
	cmd.Flags().StringVar(&wanted.Scope, "scope", "admin", "what it may do: admin, publish or read")
	cmd.Flags().StringVar(&wanted.Expires, "expires", "", "how long it is valid (90d, 12h), or until when (2027-01-31, in UTC); for good if not given")
	return cmd
}

// addKey stores a key in the database, which it makes if there is none: a service wants a key
// before it starts. It returns which database that is.
func addKey(ctx context.Context, o config.Overrides, key event.APIKey) (database string, err error) {
	cfg, err := loadConfig(o)
	if err != nil {
		return "", err
	}
	s, err := app.OpenBeside(ctx, cfg)
	if err != nil {
		return "", err
	}
	return cfg.Database.String(), errors.Join(s.CreateKey(ctx, key), s.Close())
}
