package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/demo"
)

func newDemo(s streams) *cobra.Command {
	o := demo.Options{Release: release, Events: demo.DefaultEvents, Out: s.out, Start: startDemonstrated}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: the real service, real webhooks, and the account at the end",
		Long: `Starts the service on a temporary database and, on this machine, endpoints that
answer well, slowly, badly or not at all. Sends them events over the HTTP API,
checks every signature that arrives, and adds up at the end what became of each
event. It fails if the account does not balance. Nothing is left behind.

It takes a quarter of a minute at most and needs no network but the loopback.`,
		Example: `  hookferry demo
  hookferry demo --events 5000
  hookferry demo --keep            # and look around afterwards`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Events < demo.FewestEvents || o.Events > demo.MostEvents {
				return usageError{fmt.Errorf("--events is %d; choose %d to %d", o.Events, demo.FewestEvents, demo.MostEvents)}
			}
			// Else these would end the process at once, and leave the files behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGPIPE, syscall.SIGHUP)
			defer stop()
			if err := demo.Run(ctx, o); !errors.Is(err, demo.ErrSaid) {
				return err
			}
			return errSaid
		},
	}
	cmd.Flags().IntVar(&o.Events, "events", o.Events, "how many events to send")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave it running afterwards, until Ctrl-C")
	return cmd
}

// startDemonstrated starts the real service, as `hookferry serve --dev` would.
func startDemonstrated(ctx context.Context, settings []string, dir string, log io.Writer) (demo.Service, error) {
	cfg, err := config.Load(settings, "", config.Overrides{Addr: "127.0.0.1:0", Data: dir, Dev: true})
	if err != nil {
		return nil, err
	}
	a, err := app.New(ctx, cfg, Version(), app.NewLogger(log, cfg))
	if err != nil {
		return nil, err // and not a, which would be a service that is nil
	}
	return a, nil
}
