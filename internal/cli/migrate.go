package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

func newMigrate(s streams) *cobra.Command {
	var o config.Overrides
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables up to date",
		Long: `Brings the tables up to date. ` + "`hookferry serve`" + ` does the same when it starts;
use this command to do it before a start, or to see what would be done.
Migrations only go forward. A SQLite database is copied first, to
hookferry.db.before-VERSION beside it. To go back, stop the service, replace
hookferry.db with that copy, remove hookferry.db-wal and hookferry.db-shm, and start
the previous release.`,
		Example: `  hookferry migrate --dry-run
  hookferry migrate --data /var/lib/hookferry`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			return migrate(cmd.Context(), s.out, cfg, dryRun)
		},
	}
	settingsFlags(cmd, &o)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the migrations that would be applied, and change nothing")
	return cmd
}

func migrate(ctx context.Context, out io.Writer, cfg config.Config, dryRun bool) error {
	where, existed := app.Existing(cfg)
	copied, err := app.CopyBeforeMigrate(ctx, cfg)
	if err != nil {
		return err
	}
	names, err := app.Migrate(ctx, cfg, dryRun)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		fmt.Fprintf(out, "%s is up to date\n", cfg.Database)
		return nil
	}
	if !existed {
		fmt.Fprintf(out, "there was no database at %s\n", where)
	}
	copying, verb := "copied", "applied"
	if dryRun {
		copying, verb = "would copy", "would apply"
	}
	if copied != "" {
		fmt.Fprintf(out, "%s %s to %s, to go back to if needed\n", copying, cfg.Database.Path, copied)
	}
	for _, name := range names {
		fmt.Fprintf(out, "%s %s to %s\n", verb, name, where)
	}
	return nil
}
