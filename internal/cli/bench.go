package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/bench"
	"github.com/hookferry/hookferry/internal/bench/fill"
	"github.com/hookferry/hookferry/internal/config"
)

func newBench(s streams) *cobra.Command {
	var o bench.Options
	var asJSON bool
	var pids []string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a service under load on this machine",
		Long: `Posts events to a service, is all of its endpoints, and says how many a second were
accepted and delivered, how long that took, and what processor time and memory it
cost. It starts a service for each run, on a database that is thrown away: SQLite, or
what DATABASE_URL and REDIS_URL say, which had better be databases made for it, since
nothing is deleted there. With --url it measures one that runs already, whose
endpoints must be able to be at --listen.

With --relay it runs a relay in turn with the service: a plain HTTP server and client
that sign and pass on, and store nothing. That is what the machine could do at best,
and the ratio to it is what can be compared with other machines and other days.

Generator and receiver share the processors with what they measure.`,
		Example: `  hookferry bench --relay --runs 5
  hookferry bench --rate 2000 --duration 10s
  hookferry bench --subscriptions 10 --hanging 1 --rate 500
  hookferry bench --https --close                  # a TLS handshake for each delivery
  DATABASE_URL=postgres://localhost/bench hookferry bench --pid postgres=$(pgrep -o postgres)
  hookferry bench --url http://127.0.0.1:8000 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, text := range pids {
				p, err := bench.ParseProcess(text)
				if err != nil {
					return usageError{err}
				}
				o.Also = append(o.Also, p)
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			o.Self, o.Env, o.Key, o.Fill.Write = program, os.Environ(), os.Getenv("HOOKFERRY_API_KEY"), fillDatabase
			if o.Program == "" {
				o.Program = program
			}
			o.Say = func(text string) { fmt.Fprintln(s.err, text) }
			if err := o.Check(); err != nil {
				return usageError{err}
			}
			report, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(s.out).Encode(report)
			}
			report.Print(s.out)
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Load.Connections, "connections", 64, "how many post at the same time")
	f.IntVar(&o.Load.Rate, "rate", 0, "events a second in all; 0: each connection posts when its last event was answered")
	f.IntVar(&o.Load.Size, "size", 1024, "bytes of an event")
	f.IntVar(&o.Load.Subscriptions, "subscriptions", 1, "how many subscriptions get the events in turn")
	f.IntVar(&o.Load.Slow, "slow", 0, "how many of them have an endpoint that answers after --slow-for")
	f.DurationVar(&o.Load.SlowFor, "slow-for", 2*time.Second, "how long such an endpoint takes")
	f.IntVar(&o.Load.Failing, "failing", 0, "how many have one that answers 500")
	f.IntVar(&o.Load.Hanging, "hanging", 0, "how many have one that never answers")
	f.BoolVar(&o.Load.HTTPS, "https", false, "endpoints that speak TLS, with a certificate that the service is told to trust")
	f.BoolVar(&o.Load.Close, "close", false, "endpoints that close the connection after each response")
	f.DurationVar(&o.Load.Warmup, "warmup", time.Second, "how long the load runs before it is measured")
	f.DurationVar(&o.Load.Duration, "duration", 5*time.Second, "how long it is measured")
	f.IntVar(&o.Load.Queries, "queries", 20, "status queries a second beside the load, with --retained")
	f.IntVar(&o.Runs, "runs", 1, "how often; medians are shown")
	f.BoolVar(&o.Relay, "relay", false, "run the relay, too, in turn with the service")
	f.IntVar(&o.Workers, "workers", 0, "start an API node and so many workers, not one process that does all")
	f.StringVar(&o.Program, "program", "", "another hookferry to measure, to compare two builds; \"\" is this one")
	f.StringVar(&o.URL, "url", "", "a service that runs already; its key is HOOKFERRY_API_KEY")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the endpoints")
	f.StringVar(&o.Dir, "dir", "", "where the files of a run go, and with them SQLite's; \"\" is the system's directory for such")
	f.StringArrayVar(&pids, "pid", nil, "`NAME=PID` of a process to measure beside, and those below it; may be repeated")
	f.IntVar(&o.Fill.Retained, "retained", 0, "settled deliveries in the database before the service starts")
	f.IntVar(&o.Fill.Subscriptions, "retained-subscriptions", 1000, "over how many subscriptions they are spread")
	f.IntVar(&o.Fill.Backlog, "backlog", 0, "due deliveries in the database before it starts; how they are drained is measured, and nothing is posted")
	f.BoolVar(&asJSON, "json", false, "print everything as JSON, each run by itself")
	cmd.AddCommand(newBenchRelay())
	return cmd
}

// newBenchRelay is the relay's own process.
func newBenchRelay() *cobra.Command {
	var addr, to string
	cmd := &cobra.Command{
		Use: "relay", Short: "The relay alone", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
			if err != nil {
				return fmt.Errorf("can't listen on %q: %w", addr, err)
			}
			return bench.Relay(cmd.Context(), l, to)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "address to listen on")
	cmd.Flags().StringVar(&to, "to", "", "host and port to post to")
	return cmd
}

// fillDatabase writes what the database is to hold before a run.
func fillDatabase(ctx context.Context, f bench.Fill, env []string, dir, target string) ([]string, error) {
	cfg, err := config.Load(append(slices.Clone(env), "HOOKFERRY_DATA="+dir), "", config.Overrides{Dev: true})
	if err != nil {
		return nil, err
	}
	s, err := app.OpenStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	some, err := fill.Write(ctx, s, fill.Filling{Settled: f.Retained, Subscriptions: f.Subscriptions, Due: f.Backlog, Target: target, Payload: f.Body})
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	if f.Retained == 0 {
		return some, nil
	}
	return some, app.Tidy(ctx, cfg)
}
