package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/terminal"
)

func newConfig(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting with its value, the source of the value, and its meaning",
		Long: `Prints every setting with the value that a service started here would use. Secrets are
hidden. If a setting is wrong, it fails with the same message as ` + "`hookferry serve`" + `.`,
		Example: `  hookferry config
  hookferry config --dev`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			for _, warning := range cfg.Warnings() {
				fmt.Fprintf(s.err, "warning: %s\n", terminal.Clean(warning))
			}
			for i, setting := range cfg.Describe() {
				if i > 0 {
					fmt.Fprintln(s.out)
				}
				if err := printSetting(s, setting); err != nil {
					return err
				}
			}
			return nil
		},
	}
	settingsFlags(cmd, &o)
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address to serve the API on (HOOKFERRY_ADDR)")
	cmd.Flags().StringVar(&o.AdminAddr, "admin-addr", "", "address to serve metrics and profiles on (HOOKFERRY_ADMIN_ADDR)")
	cmd.Flags().BoolVar(&o.Dev, "dev", false, "show the values that --dev sets")
	return cmd
}

func printSetting(s streams, setting config.Setting) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t= %s\t(%s)\n", setting.Name, setting.Value, setting.Source)
	fmt.Fprintf(w, "  default: %s\n  %s\n", setting.Default, setting.Meaning)
	return w.Flush()
}
