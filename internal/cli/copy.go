package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

// copyProgressEvery is how often a copy prints its progress.
const copyProgressEvery = 3 * time.Second

func newCopy(s streams) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy --from sqlite://PATH --to postgres://…",
		Short: "Copy everything from SQLite to PostgreSQL",
		Long: `Copies everything that a SQLite database keeps to PostgreSQL: tenants, subscriptions
with their secrets, health and pauses, API keys, event types, idempotency keys, events,
deliveries and attempts. All ids stay the same. Pending deliveries keep their
schedule; those with an attempt in flight when the service stopped are due at once.

Stop the service first. The source is not changed, and must have the tables of this
release. The target must not be in use. If the copy is interrupted, run it again: it
continues where it stopped. At the end it prints how many rows of each kind both sides
have, and fails if the numbers differ.

Secrets are copied as they are, encrypted or not: the new nodes need the
HOOKFERRY_MASTER_KEY of the old service. Do not start the old service again: it would
deliver what is pending a second time.

Without --to, the target is DATABASE_URL, which keeps a password out of the list of
processes.`,
		Example: `  hookferry copy --from sqlite:///var/lib/hookferry/hookferry.db --to postgres://hookferry@db/hookferry
  DATABASE_URL=postgres://… hookferry copy --from sqlite:///var/lib/hookferry/hookferry.db`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newCopyOf(from, to)
			if err != nil {
				return err
			}
			return runCopy(cmd, s, c)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the source, sqlite://PATH")
	cmd.Flags().StringVar(&to, "to", "", "the target, postgres://user:password@host/database (DATABASE_URL)")
	return cmd
}

// newCopyOf reads the two addresses and the settings.
func newCopyOf(from, to string) (c app.Copy, err error) {
	cfg, err := loadConfig(config.Overrides{})
	if err != nil {
		return c, err
	}
	if from == "" {
		return c, usageError{errors.New("--from is missing: write --from sqlite://PATH, like sqlite:///var/lib/hookferry/hookferry.db")}
	}
	c = app.Copy{To: cfg.Database, Settings: cfg}
	if c.From, err = config.ParseDatabase(from); err != nil {
		return c, usageError{fmt.Errorf("--from %w", err)}
	}
	if to == "" && cfg.Database.Engine != config.Postgres {
		return c, usageError{errors.New("--to is missing, and DATABASE_URL does not name a PostgreSQL database: write --to postgres://user:password@host/database")}
	}
	if to != "" {
		if c.To, err = config.ParseDatabase(to); err != nil {
			return c, usageError{fmt.Errorf("--to %w", err)}
		}
	}
	return c, nil
}

func runCopy(cmd *cobra.Command, s streams, c app.Copy) error {
	began, said := time.Now(), time.Now()
	c.Say = func(sentence string) { fmt.Fprintln(s.out, sentence) }
	c.Progress = func(p app.CopyProgress) {
		if time.Since(said) < copyProgressEvery {
			return
		}
		said = time.Now()
		of := ""
		if p.Of > 0 {
			of = fmt.Sprintf(" of %d", p.Of)
		}
		fmt.Fprintf(s.out, "%s: %d%s copied in this run\n", p.Step, p.Rows, of)
	}
	account, err := c.Run(cmd.Context())
	if len(account) > 0 {
		printAccount(s, account)
	}
	if cmd.Context().Err() != nil {
		return errors.New("interrupted: run the same command again, and it continues where it stopped")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "the copy is complete after %.1f s: all of %s is in %s\n", time.Since(began).Seconds(), c.From, c.To)
	return err
}

func printAccount(s streams, account []app.CopyAccount) {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tSOURCE\tCOPY")
	for _, a := range account {
		fmt.Fprintf(w, "%s\t%d\t%d\n", a.Kind, a.Source, a.Copy)
	}
	_ = w.Flush() // the copy is made even if this can't be printed
}
