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
	var kind string // if it is to misbehave
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks on this machine and print them",
		Long: `Runs a receiver that takes a request to any path, checks its signature where it
knows the secret, prints it, and answers as the flags say. It is for trying things
out: it answers the same whether the signature is right or wrong.

The secret is that of the subscription. Other users of this machine can see a flag
in the list of processes; the environment variable LISTEN_SECRET does the same.

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
	f.StringVar(&o.Secret, "secret", "", "secret to check signatures with (better: LISTEN_SECRET)")
	f.IntVar(&o.Status, "status", http.StatusOK, "status to answer, 200 to 599")
	f.DurationVar(&o.Delay, "delay", 0, "how long to wait before the answer")
	f.StringVar(&o.Body, "body", "", "body of the answer")
	f.IntVar(&o.FailFirst, "fail-first", 0, "answer 500 to the first `N` attempts of each webhook-id")
	f.BoolVar(&o.AsJSON, "json", false, "print one JSON object a line")
	f.StringVar(&kind, "hostile", "", "misbehave on purpose: one `KIND` of those above")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("hostile", cobra.FixedCompletions(hostileNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}
