package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

func newBackup(s streams) *cobra.Command {
	var o config.Overrides
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the SQLite database to a new file",
		Long: `Copies the SQLite database to FILE. The service may be running: the copy is the database
at one moment, with every event that was accepted before the command started. The copy
is checked, and gets the name FILE only when it is complete and on disk.

An existing FILE is never overwritten. Only its owner can read the new one: it holds
payloads and secrets. Secrets are encrypted if HOOKFERRY_MASTER_KEY is set; keep that
key elsewhere. To restore, stop the service, remove hookferry.db, hookferry.db-wal and
hookferry.db-shm from the data directory, and put FILE there as hookferry.db.

On PostgreSQL use pg_dump or pg_basebackup.`,
		Example: `  hookferry backup /backup/hookferry-2026-11-28.db
  hookferry backup --data /var/lib/hookferry /backup/hookferry.db`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(o)
			if err != nil {
				return err
			}
			to, began := args[0], time.Now()
			if absolute, err := filepath.Abs(to); err == nil {
				to = absolute
			}
			size, err := app.Backup(cmd.Context(), cfg, to)
			if err != nil && cmd.Context().Err() != nil {
				return fmt.Errorf("interrupted: there is no backup at %s", to)
			}
			if err != nil {
				return err
			}
			where, _ := app.Existing(cfg)
			_, err = fmt.Fprintf(s.out, "copied %s to %s: %.1f MB in %.1f s, checked and on disk\n", where, to, float64(size)/1e6, time.Since(began).Seconds())
			return err
		},
	}
	settingsFlags(cmd, &o)
	return cmd
}
