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
		Long: `Publishes events to a service, plays all of its endpoints, and reports throughput,
latency, CPU time and memory. It starts a service for each run, on a temporary SQLite
database, or on the databases of DATABASE_URL and REDIS_URL. Use databases that you can
throw away: nothing in them is deleted afterwards. With --url it measures a service
that is already running, which must be able to reach endpoints at --listen.

With --relay it alternates the service with a relay: a plain HTTP server and client
that sign and forward events, but store nothing. The relay shows the best that this
machine can do, and the ratio to it can be compared between machines and days.

The load generator and the endpoints share the CPU with the service that they measure.`,
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
	f.IntVar(&o.Load.Connections, "connections", 64, "number of connections that publish at the same time")
	f.IntVar(&o.Load.Rate, "rate", 0, "total events per second; 0: each connection publishes as soon as it gets a response")
	f.IntVar(&o.Load.Size, "size", 1024, "size of an event in bytes")
	f.IntVar(&o.Load.Subscriptions, "subscriptions", 1, "number of subscriptions that share the events")
	f.IntVar(&o.Load.Slow, "slow", 0, "number of subscriptions whose endpoint responds after --slow-for")
	f.DurationVar(&o.Load.SlowFor, "slow-for", 2*time.Second, "response time of a slow endpoint")
	f.IntVar(&o.Load.Failing, "failing", 0, "number of subscriptions whose endpoint responds with 500")
	f.IntVar(&o.Load.Hanging, "hanging", 0, "number of subscriptions whose endpoint never responds")
	f.BoolVar(&o.Load.HTTPS, "https", false, "make the endpoints use TLS, with a certificate that the service trusts")
	f.BoolVar(&o.Load.Close, "close", false, "make the endpoints close the connection after each response")
	f.DurationVar(&o.Load.Warmup, "warmup", time.Second, "how long the load runs before the measurement")
	f.DurationVar(&o.Load.Duration, "duration", 5*time.Second, "length of the measurement")
	f.IntVar(&o.Load.Queries, "queries", 20, "status queries per second during the load, with --retained")
	f.IntVar(&o.Runs, "runs", 1, "number of runs; the report shows medians")
	f.BoolVar(&o.Relay, "relay", false, "also run the relay, alternating with the service")
	f.IntVar(&o.Workers, "workers", 0, "start an API node and this many workers instead of a single process")
	f.StringVar(&o.Program, "program", "", "the hookferry binary to measure, to compare builds; default: this one")
	f.StringVar(&o.URL, "url", "", "measure a running service, with the API key in HOOKFERRY_API_KEY")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the endpoints")
	f.StringVar(&o.Dir, "dir", "", "directory for the files of a run, including SQLite's; default: the temporary directory of the system")
	f.StringArrayVar(&pids, "pid", nil, "`NAME=PID` of another process to measure with its children; may be repeated")
	f.IntVar(&o.Fill.Retained, "retained", 0, "number of settled deliveries to store before the service starts")
	f.IntVar(&o.Fill.Subscriptions, "retained-subscriptions", 1000, "number of subscriptions that share the settled deliveries")
	f.IntVar(&o.Fill.Backlog, "backlog", 0, "number of due deliveries to store before the service starts; measures how they are drained, and publishes nothing")
	f.BoolVar(&asJSON, "json", false, "print all results as JSON, with each run")
	cmd.AddCommand(newBenchRelay())
	return cmd
}

// newBenchRelay runs the relay in a process of its own.
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

// fillDatabase writes the rows that the database must contain before a run.
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
