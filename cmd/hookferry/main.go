// Command hookferry takes webhooks in and brings each one to its subscriber. It is
// a door: everything is in package cli.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/hookferry/hookferry/internal/cli"
)

func main() {
	// net/http writes what an endpoint sends out of turn to the standard logger.
	// That is a stranger's text; what matters is logged by the service itself.
	log.SetOutput(io.Discard)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
