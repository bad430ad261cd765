package cli

import (
	"fmt"

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
this command is for doing it beforehand, or for seeing what would be done.
Migrations only go forward.`,
		Example: `  hookferry migrate --dry-run
  hookferry migrate --data /var/lib/hookferry`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			names, err := app.Migrate(cmd.Context(), cfg, dryRun)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				fmt.Fprintf(s.out, "%s is up to date\n", cfg.Database)
			}
			verb := "applied"
			if dryRun {
				verb = "would apply"
			}
			for _, name := range names {
				fmt.Fprintf(s.out, "%s %s\n", verb, name)
			}
			return nil
		},
	}
	settingsFlags(cmd, &o)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be applied, and change nothing")
	return cmd
}
