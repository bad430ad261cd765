package cli

import (
	"errors"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/receiver"
)

func newListen(s streams) *cobra.Command {
	var o receiver.Options
	var kind string // of the misbehaviour; "" for none
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks on this machine and print them",
		Long: `Runs an endpoint that accepts requests to any path, checks their signatures if it has
the secret, prints them, and responds as the flags say. It is for trying things out:
the response does not depend on the signature.

The secret is that of the subscription. Other users of this machine can see a flag in
the process list, so set the environment variable LISTEN_SECRET instead.

` + hostileHelp(),
		Example: `  hookferry listen
  LISTEN_SECRET=my_secret_key hookferry listen
  hookferry listen --fail-first 2                  # 500 twice, then 200
  hookferry listen --status 503 --delay 3s
  hookferry listen --json | jq .body.data
  hookferry listen --hostile slow-body`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != "" {
				if err := hostileAlone(cmd); err != nil {
					return usageError{err}
				}
				return listenHostile(cmd.Context(), s, o.Addr, kind)
			}
			if o.Secret == "" {
				o.Secret = os.Getenv("LISTEN_SECRET")
			}
			if o.Secret != "" {
				if problem := event.CheckSecretText(o.Secret); problem != "" {
					return usageError{errors.New("the secret " + problem)}
				}
			}
			r, err := receiver.New(s.out, s.err, o)
			if err != nil {
				return usageError{err}
			}
			return r.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Addr, "addr", "127.0.0.1:9000", "address to listen on")
	f.StringVar(&o.Secret, "secret", "", "secret to verify signatures with (better: LISTEN_SECRET)")
	f.IntVar(&o.Status, "status", http.StatusOK, "status of the response, 200 to 599")
	f.DurationVar(&o.Delay, "delay", 0, "how long to wait before the response")
	f.StringVar(&o.Body, "body", "", "body of the response")
	f.IntVar(&o.FailFirst, "fail-first", 0, "respond with 500 to the first `N` attempts of each webhook-id")
	f.BoolVar(&o.AsJSON, "json", false, "print one JSON object per line")
	f.StringVar(&kind, "hostile", "", "misbehave on purpose, in one of the ways above: `KIND`")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("hostile", cobra.FixedCompletions(hostileNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}
