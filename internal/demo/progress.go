package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

// snapshot is the progress of the demo.
type snapshot struct {
	elapsed   time.Duration
	planned   int
	endpoints []endpoint
	tallies   []tally
	counted   map[string]int  // deliveries by status, counted by the database
	took      []time.Duration // latencies of the timed webhooks, sorted
}

func (s snapshot) accepted() (n int) {
	for _, t := range s.tallies {
		n += t.accepted
	}
	return n
}

// retrying returns how many deliveries have failed at least once and are still pending.
func (s snapshot) retrying() (n int) {
	for _, t := range s.tallies {
		n += t.failing
	}
	return max(0, min(n-s.counted[client.Failed], s.counted[client.Pending]))
}

// settled reports whether no delivery is pending.
func (s snapshot) settled() bool { return s.counted[client.Pending] == 0 }

// watch shows the progress until all events are published and settled. It stops waiting a while
// after the last event; deliveries that are still pending then are reported as pending.
func (d *demo) watch(ctx context.Context, sent <-chan error) error {
	look := time.NewTicker(d.pace.look)
	defer look.Stop()
	lines := time.NewTicker(20 * d.pace.look)
	defer lines.Stop()
	var end <-chan time.Time
	for {
		select {
		case err := <-sent:
			if err != nil {
				return err
			}
			sent, end = nil, time.After(d.pace.most)
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-lines.C:
			if s, err := d.snapshot(ctx); err == nil && !d.screen.IsTerminal() {
				d.screen.Print(s.plainLine())
			}
		case <-look.C:
			s, err := d.snapshot(ctx)
			if err != nil {
				return err
			}
			d.screen.Draw(s.lines())
			if sent == nil && s.settled() {
				return nil
			}
		}
	}
}

func (d *demo) snapshot(ctx context.Context) (snapshot, error) {
	counted, err := d.service.Account(ctx)
	if err != nil {
		return snapshot{}, fmt.Errorf("count the deliveries: %w", err)
	}
	tallies, took := d.ledger.progress(func(endpoint int) bool { return d.endpoints[endpoint].isTimed })
	return snapshot{
		elapsed: time.Since(d.started), planned: d.pace.events, endpoints: d.endpoints, tallies: tallies, counted: counted, took: took,
	}, nil
}

// lines returns the picture for a terminal.
func (s snapshot) lines() []terminal.Line {
	var lines []terminal.Line
	for i, e := range s.endpoints {
		lines = append(lines, endpointLine(e, s.tallies[i]))
	}
	settled := s.counted[client.Delivered] + s.counted[client.Failed]
	return append(lines,
		nil,
		terminal.Line{terminal.Plain.Of("  "), bar(settled, s.planned, 40, terminal.Blue), terminal.Bold.Of(fmt.Sprintf("  %d of %d settled", settled, s.planned)), terminal.Faint.Of(fmt.Sprintf("  %.1f s", s.elapsed.Seconds()))},
		terminal.Line{
			terminal.Plain.Of(fmt.Sprintf("  %d accepted", s.accepted())),
			terminal.Green.Of(fmt.Sprintf("   %d delivered", s.counted[client.Delivered])),
			terminal.Yellow.Of(fmt.Sprintf("   %d retrying", s.retrying())),
			terminal.Plain.Of(fmt.Sprintf("   %d pending", s.counted[client.Pending]-s.retrying())),
			terminal.Red.Of(fmt.Sprintf("   %d failed", s.counted[client.Failed])),
		},
		terminal.Line{terminal.Plain.Of("  " + latencyWords(s.took))},
	)
}

func endpointLine(e endpoint, t tally) terminal.Line {
	colour := terminal.Green
	if t.failing > 0 {
		colour = terminal.Yellow
	}
	l := terminal.Line{
		terminal.Bold.Of(fmt.Sprintf("  %-10s", e.name)),
		terminal.Plain.Of(fmt.Sprintf(" %-28s ", e.behaviour)),
		bar(t.delivered, t.planned, 20, colour),
		terminal.Plain.Of(fmt.Sprintf(" %4d of %d", t.delivered, t.planned)),
	}
	if t.failing > 0 {
		l = append(l, terminal.Yellow.Of(fmt.Sprintf("  %d failing, %s", t.failing, terminal.Number(t.requests, "request"))))
	}
	return l
}

// bar returns a bar that shows a part of a whole.
func bar(part, whole, width int, looks terminal.Style) terminal.Span {
	full := 0
	if whole > 0 {
		full = min(width, part*width/whole)
	}
	return looks.Of(strings.Repeat("█", full) + strings.Repeat("░", width-full))
}

// plainLine returns a short line with the same numbers, for output that is not a terminal.
func (s snapshot) plainLine() terminal.Line {
	return terminal.LineOf(fmt.Sprintf("  %4.1f s  %d accepted, %d delivered, %d retrying, %d pending, %d failed",
		s.elapsed.Seconds(), s.accepted(), s.counted[client.Delivered], s.retrying(),
		s.counted[client.Pending]-s.retrying(), s.counted[client.Failed]))
}

// latencyWords describes the latencies of the timed webhooks.
func latencyWords(took []time.Duration) string {
	if len(took) == 0 {
		return "POST → disk → endpoint: nothing yet"
	}
	return fmt.Sprintf("POST → disk → endpoint, if it responds at once: p50 %s   p95 %s   p99 %s",
		terminal.Milliseconds(percentile(took, 50)), terminal.Milliseconds(percentile(took, 95)), terminal.Milliseconds(percentile(took, 99)))
}
