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
		Short: "Seal all secrets anew under the first master key",
		Long: `Seals the secrets and headers of all subscriptions under the first key of
HOOKFERRY_MASTER_KEY. Services may be running meanwhile. It may be broken off and
repeated, and ends with status 1 while anything is left under another key.

To rotate without a pause:
  1. HOOKFERRY_MASTER_KEY=OLD,NEW on every node, so that all can open both;
  2. HOOKFERRY_MASTER_KEY=NEW,OLD on every node, so that all seal with the new one;
  3. with that setting, hookferry keys rotate-master;
  4. HOOKFERRY_MASTER_KEY=NEW on every node. Keep OLD as long as backups from before.`,
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
