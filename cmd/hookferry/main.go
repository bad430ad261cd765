// Command hookferry accepts events and delivers them as webhooks. Everything is in package cli.
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
	// net/http logs unexpected data from an endpoint to the standard logger. That text is not
	// trusted, and the service logs everything that matters itself.
	log.SetOutput(io.Discard)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
