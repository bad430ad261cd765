// Command compare measures two builds of hookferry against each other by `hookferry bench`, on
// SQLite and on a PostgreSQL that it starts itself: in pairs, one build right after the other,
// because a shared machine is faster at one time than at another. What it says is the median of
// the pairs' ratios. It is no part of what is shipped: `make compare` runs it.
//
// Start with compare, then pair.go.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/hookferry/hookferry/internal/test/pgtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var m machine
	var o options
	flag.StringVar(&m.old, "old", "", "the hookferry to compare with")
	flag.StringVar(&m.new, "new", "bin/hookferry", "the hookferry to compare; its bench measures both")
	flag.StringVar(&m.duration, "duration", "5s", "how long each build is measured, each time")
	flag.IntVar(&o.pairs, "runs", 9, "pairs on each store")
	flag.IntVar(&o.repeats, "repeats", 3, "how often a pair is repeated at most because others used the machine")
	flag.Float64Var(&o.quiet, "quiet", 0.10, "the share of the machine that others may use; 1 accepts every pair")
	flag.Parse()
	if m.old == "" || o.pairs < 1 || o.repeats < 0 {
		return fmt.Errorf("-old names a program, -runs is at least 1 and -repeats at least 0; they are %q, %d and %d", m.old, o.pairs, o.repeats)
	}
	var err error
	for _, program := range []*string{&m.old, &m.new} { // the bench starts them in another directory
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
	}
	if m.postgres, err = pgtest.Start("fsync=on"); err != nil {
		return err
	}
	defer m.postgres.Remove()
	busy := 0
	for _, s := range []struct {
		name    string
		measure func(context.Context, string) (result, error)
	}{{"SQLite", m.onSQLite}, {"PostgreSQL", m.onPostgres}} {
		fmt.Fprintf(out, "\n%s: old, new and new/old\n", s.name)
		n, err := compare(ctx, out, o, func(which build) (result, error) { return s.measure(ctx, m.program(which)) })
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		busy += n
	}
	if busy > 0 {
		return fmt.Errorf("%d pairs were busy after %d repeats and count all the same: repeat this when nothing else runs on the machine", busy, o.repeats)
	}
	return nil
}

// options says what is measured on a store.
type options struct {
	pairs   int
	repeats int
	quiet   float64 // the share of the machine that others may use
}

// compare measures the pairs and prints each of them, and then the medians of their ratios. It
// returns how many were busy to the end. The build that goes first changes from pair to pair.
func compare(ctx context.Context, out io.Writer, o options, measure func(build) (result, error)) (busy int, err error) {
	var pairs []pair
	for i := range o.pairs {
		for try := 0; ; try++ {
			p, err := measurePair(i%2 == 1, measure)
			if err != nil {
				return busy, err
			}
			isBusy := p.others() > o.quiet
			again := isBusy && try < o.repeats
			fmt.Fprintf(out, "%2d  %s%s\n", i+1, p, remark(isBusy, again))
			if err := ctx.Err(); err != nil {
				return busy, err
			}
			if again {
				continue
			}
			if isBusy {
				busy++
			}
			pairs = append(pairs, p)
			break
		}
	}
	fmt.Fprintf(out, "median of %d ratios: CPU a delivery %.3f, rate %.3f\n", len(pairs), median(pairs, pair.cpu), median(pairs, pair.rate))
	return busy, nil
}

func remark(busy, again bool) string {
	switch {
	case again:
		return "  busy: repeated"
	case busy:
		return "  busy"
	}
	return ""
}
