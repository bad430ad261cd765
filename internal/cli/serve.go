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
		Long: `Runs the service until it gets SIGINT or SIGTERM. It then accepts no more events, lets
attempts in flight end, and stops. A second signal stops it at once. Nothing is lost
either way.

Settings come from the environment and from .env; ` + "`hookferry config`" + ` prints them.
The service needs an API key: create one with ` + "`hookferry keys create`" + `.

On PostgreSQL, several processes can share the work. --role api serves the API, and
--role worker delivers. By default, a process does both.

--dev is for your own machine: the service listens only on 127.0.0.1, allows targets on
loopback addresses, and needs no API key. Its admin address is a free port, which the
log names, so that several can run side by side with --addr and --data.`,
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
	cmd.Flags().StringVar(&o.Addr, "addr", "", "address to serve the API on (HOOKFERRY_ADDR)")
	cmd.Flags().StringVar(&o.AdminAddr, "admin-addr", "", "address to serve metrics and profiles on, or off (HOOKFERRY_ADMIN_ADDR)")
	cmd.Flags().StringVar(&o.Role, "role", "", "role of this process: all, api or worker (HOOKFERRY_ROLE)")
	cmd.Flags().BoolVar(&o.Dev, "dev", false, "for your own machine: loopback only, no API key")
	return cmd
}

// collectLessOften lets the heap grow to three and a half times the memory in use before a
// collection, unless GOGC is set. At full rate on SQLite, 200 (three times) cost 4 % less CPU per
// delivery than Go's default of twice. 250 cost another 3 % less, for 3 MB more memory. 300 cost
// another 2 % less, but memory use sometimes passed 100 MB.
func collectLessOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(250)
	}
}
