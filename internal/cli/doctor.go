package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/api"
	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

func newDoctor(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the settings and the integrity of the database",
		Long: `Checks the settings and all stored data: that every event has its delivery and every
delivery its event, that all attempts are recorded, that due deliveries are claimed,
that clocks agree, and that partitions exist for the next hours. It says what to do
about each finding, and fails if there are any. It changes nothing, and the service
may be running. It gives up after a minute.`,
		Example: `  hookferry doctor
  hookferry doctor --data /var/lib/hookferry`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			x, err := app.Examine(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			where, _ := app.Existing(cfg)
			printExamination(s, where, x)
			if len(x.Findings) > 0 {
				return errSaid
			}
			return nil
		},
	}
	settingsFlags(cmd, &o)
	return cmd
}

func printExamination(s streams, database string, x api.Integrity) {
	d := x.Deliveries
	fmt.Fprintf(s.out, "database: %s\n", database)
	fmt.Fprintf(s.out, "%d accepted = %d delivered + %d failed + %d pending + %d cancelled, within the retention\n",
		d["delivered"]+d["failed"]+d["pending"]+d["cancelled"], d["delivered"], d["failed"], d["pending"], d["cancelled"])
	if len(x.Findings) == 0 {
		fmt.Fprintln(s.out, "no problems found")
	}
	for _, f := range x.Findings {
		fmt.Fprintf(s.out, "\n%s\n", describe(f))
		if f.OldestAt != nil {
			fmt.Fprintf(s.out, "  the oldest is %s of %s\n", f.Oldest, f.OldestAt.Format(time.RFC3339))
		}
		fmt.Fprintf(s.out, "  %s\n", f.Advice)
	}
}

// describe returns the number and description of a finding.
func describe(f api.Finding) string {
	switch {
	case f.Rule == app.RuleClocksAgree:
		return f.What
	case f.AtLeast:
		return fmt.Sprintf("at least %d %s", f.Found, f.What)
	}
	return fmt.Sprintf("%d %s", f.Found, f.What)
}
