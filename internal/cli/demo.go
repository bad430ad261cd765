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
	o := demo.Options{Release: release, Events: demo.DefaultEvents, Out: s.out, Start: startDemoService}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: the real service, real webhooks, and a final tally",
		Long: `Starts the service on a temporary database, and endpoints on this machine that respond
well, slowly, badly or not at all. Publishes events over the HTTP API, checks every
signature that arrives, and counts at the end what became of each event. It fails if
the numbers do not add up. It leaves nothing behind.

It takes at most 15 seconds, and needs no network except loopback.`,
		Example: `  hookferry demo
  hookferry demo --events 5000
  hookferry demo --keep            # keep it running to look around`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Events < demo.FewestEvents || o.Events > demo.MostEvents {
				return usageError{fmt.Errorf("--events is %d; choose %d to %d", o.Events, demo.FewestEvents, demo.MostEvents)}
			}
			// Without this, these signals would end the process at once and leave its files behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGPIPE, syscall.SIGHUP)
			defer stop()
			if err := demo.Run(ctx, o); !errors.Is(err, demo.ErrSaid) {
				return err
			}
			return errSaid
		},
	}
	cmd.Flags().IntVar(&o.Events, "events", o.Events, "number of events to publish")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "keep running until Ctrl-C")
	return cmd
}

// startDemoService starts the real service, as `hookferry serve --dev` does.
func startDemoService(ctx context.Context, settings []string, dir string, log io.Writer) (demo.Service, error) {
	cfg, err := config.Load(settings, "", config.Overrides{Addr: "127.0.0.1:0", Data: dir, Dev: true})
	if err != nil {
		return nil, err
	}
	a, err := app.New(ctx, cfg, Version(), app.NewLogger(log, cfg))
	if err != nil {
		return nil, err // not a, which would be a non-nil interface with a nil pointer
	}
	return a, nil
}
