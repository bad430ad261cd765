// Command compare compares two builds of hookferry with `hookferry bench`, on SQLite and on a
// PostgreSQL that it starts itself. It runs them in pairs, one build right after the other, because
// the speed of a shared machine varies, and reports the median of the pairs' ratios. It is not
// shipped: `make compare` runs it.
//
// Start with compare, then read pair.go.
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
	flag.StringVar(&m.old, "old", "", "the old hookferry")
	flag.StringVar(&m.new, "new", "bin/hookferry", "the new hookferry, whose bench measures both")
	flag.StringVar(&m.duration, "duration", "5s", "length of each measurement")
	flag.IntVar(&o.pairs, "runs", 9, "number of pairs on each store")
	flag.IntVar(&o.repeats, "repeats", 3, "how often to repeat a pair if other processes used the machine")
	flag.Float64Var(&o.quiet, "quiet", 0.10, "the share of the machine that other processes may use; 1 accepts every pair")
	flag.Parse()
	if m.old == "" || o.pairs < 1 || o.repeats < 0 {
		return fmt.Errorf("-old must name a program, -runs must be at least 1 and -repeats at least 0; they are %q, %d and %d", m.old, o.pairs, o.repeats)
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
		return fmt.Errorf("%d pairs were still busy after %d repeats, and are included: run this again when the machine is idle", busy, o.repeats)
	}
	return nil
}

// options configure the comparison on a store.
type options struct {
	pairs   int
	repeats int
	quiet   float64 // share of the machine that other processes may use
}

// compare measures the pairs, and prints each pair and the median ratios. It returns how many pairs
// stayed busy. The two builds take turns at going first.
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
	fmt.Fprintf(out, "median of %d ratios: CPU per delivery %.3f, rate %.3f\n", len(pairs), median(pairs, pair.cpu), median(pairs, pair.rate))
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
