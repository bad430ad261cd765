package cli

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

func newServe(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: `Runs the service until it gets SIGINT or SIGTERM. Then it takes no more events,
lets attempts under way end, and stops; a second signal ends it at once. Nothing
is lost either way.

Settings come from the environment and from .env; ` + "`hookferry config`" + ` prints them.
An API key is needed: make one with ` + "`hookferry keys create`" + `.

On PostgreSQL any number of processes may share the work. --role api takes events
in and answers, --role worker delivers them; without it a process does both.

--dev is for your own machine: it listens on 127.0.0.1 only, allows targets on
the loopback addresses, and needs no API key. Its admin address takes a free port,
which the log names, so that several run side by side with --addr and --data.`,
		Example: `  hookferry serve --dev
  HOOKFERRY_API_KEY=$(openssl rand -hex 24) hookferry serve --addr :8080 --data /var/lib/hookferry
  hookferry serve --role worker`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			collectLessOften()
			a, err := app.New(cmd.Context(), cfg, Version(), app.NewLogger(s.err, cfg))
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	settingsFlags(cmd, &o)
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address the API listens on (HOOKFERRY_ADDR)")
	cmd.Flags().StringVar(&o.AdminAddr, "admin-addr", "", "address of metrics and profiles, or off (HOOKFERRY_ADMIN_ADDR)")
	cmd.Flags().StringVar(&o.Role, "role", "", "what this process does: all, api or worker (HOOKFERRY_ROLE)")
	cmd.Flags().BoolVar(&o.Dev, "dev", false, "for your own machine: loopback only, no API key")
	return cmd
}

// collectLessOften lets the heap grow to three and a half times of what is in use before it is
// collected, unless GOGC says otherwise. A delivery on SQLite at full rate, beside Go's twice, cost
// 4 % less CPU with three times (200), and with this 3 % less than with that, for 3 MB more. With
// 300 it was 2 % less again, and the memory passed 100 MB now and then.
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(250)
	}
}
