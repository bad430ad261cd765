// Package cli is the command line. Each file contains one command: a thin layer that reads flags,
// calls the package that does the work, and prints for people.
//
// Start with Run, which knows all commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/config"
)

// streams are the input and output of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// errSaid makes a command exit with status 1 when its output has already said why.
var errSaid = errors.New("said above")

// Run runs the command that args name, and returns the exit status: 0 if it succeeded, 1 if it
// failed, and 2 if its usage was wrong.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	s := streams{in: in, out: out, err: errOut}
	root := newRoot(s)
	root.SetArgs(args)
	called, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "hookferry: %s\nSee `%s --help`.\n", readable(err), called.CommandPath())
		return 2
	}
	fmt.Fprintf(errOut, "hookferry: %s\n", readable(err))
	return 1
}

// usageError is the error of a command that was used wrongly.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:     "hookferry",
		Version: Version(),
		Short:   "Accepts events, stores them safely, and delivers them as webhooks",
		Long: `Hookferry accepts events over HTTP, stores them, and delivers each one as a webhook.
It signs and retries deliveries, and records every attempt. It needs nothing but this
file.`,
		Example: `  hookferry demo                       see it work in 15 seconds
  hookferry serve --dev                run it on your machine, without API keys
  hookferry listen                     run an endpoint to try it with`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       noArgs,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagFault(err)} })
	root.AddCommand(
		newServe(s), newDemo(s), newListen(s), newPublish(s), newSend(s), newSubscribe(s), newSubscriptions(s), newTenants(s), newEventTypes(s), newKeys(s), newMigrate(s), newBackup(s), newCopy(s), newConfig(s), newHealth(s), newDoctor(s), newBench(s), newVersion(s),
	)
	return root
}

// noArgs is cobra.NoArgs with an error that recognizes a mistyped command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])
	if cmd.HasSubCommands() {
		message = fmt.Sprintf("there is no command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			message += fmt.Sprintf("; did you mean %q?", near[0])
		}
	}
	return usageError{errors.New(message)}
}

// exactArgs requires one argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usageError{fmt.Errorf("%s takes %s, but got %d argument(s)", cmd.CommandPath(), strings.Join(names, " "), len(args))}
	}
}

// settingsFlags adds the flags that override settings.
func settingsFlags(cmd *cobra.Command, o *config.Overrides) {
	cmd.Flags().StringVar(&o.Data, "data", "", "directory of the SQLite database (HOOKFERRY_DATA)")
}

// loadConfig reads the settings from the flags, the environment and .env.
func loadConfig(o config.Overrides) (config.Config, error) {
	cfg, err := config.Load(os.Environ(), ".env", o)
	if faults, ok := errors.AsType[config.Faults](err); ok && faults.OfFlags() {
		return cfg, usageError{err}
	}
	return cfg, err
}
