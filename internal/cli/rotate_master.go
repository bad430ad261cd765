package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

func newKeysRotateMaster(s streams, o *config.Overrides) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate-master",
		Short: "Encrypt all secrets with the first master key",
		Long: `Encrypts the secrets and headers of all subscriptions with the first key of
HOOKFERRY_MASTER_KEY. The service may be running. You can interrupt and repeat the
command; it exits with status 1 as long as another key is still in use.

To rotate without downtime:
  1. Set HOOKFERRY_MASTER_KEY=OLD,NEW on every node, so that all can decrypt with both.
  2. Set HOOKFERRY_MASTER_KEY=NEW,OLD on every node, so that all encrypt with NEW.
  3. With that setting, run hookferry keys rotate-master.
  4. Set HOOKFERRY_MASTER_KEY=NEW on every node. Keep OLD as long as you keep older backups.`,
		Example: "  hookferry keys rotate-master",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(*o)
			if err != nil {
				return err
			}
			said, err := app.RotateMaster(cmd.Context(), cfg)
			for _, line := range said {
				fmt.Fprintln(s.out, line)
			}
			return err
		},
	}
}
