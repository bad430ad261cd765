package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hookferry/hookferry/client"
)

// standing is how the demonstration stands.
type standing struct {
	elapsed   time.Duration
	planned   int
	endpoints []endpoint
	tallies   []tally
	counted   map[string]int  // deliveries by status, as the service's database counts them
	took      []time.Duration // of the timed webhooks, sorted
}

func (s standing) accepted() (n int) {
	for _, t := range s.tallies {
		n += t.accepted
	}
	return n
}

// retrying is how many failed at least once and are still to be delivered.
func (s standing) retrying() (n int) {
	for _, t := range s.tallies {
		n += t.troubled
	}
	return max(0, min(n-s.counted[client.Failed], s.counted[client.Pending]))
}

// settled reports whether nothing is left to be done.
func (s standing) settled() bool { return s.counted[client.Pending] == 0 }

// watch shows how it goes, until everything was sent and is settled. It gives up
// waiting some time after the last event was sent: what is pending then is
// counted as that.
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
			if s, err := d.standing(ctx); err == nil && !d.screen.isTerminal {
				d.screen.print(s.plainLine())
			}
		case <-look.C:
			s, err := d.standing(ctx)
			if err != nil {
				return err
			}
			d.screen.draw(s.lines())
			if sent == nil && s.settled() {
				return nil
			}
		}
	}
}

func (d *demo) standing(ctx context.Context) (standing, error) {
	counted, err := d.service.app.Account(ctx)
	if err != nil {
		return standing{}, fmt.Errorf("count the deliveries: %w", err)
	}
	tallies, took := d.ledger.progress(func(receiver int) bool { return d.cast[receiver].prompt })
	return standing{
		elapsed: time.Since(d.started), planned: d.pace.events, endpoints: d.cast, tallies: tallies, counted: counted, took: took,
	}, nil
}

// lines is the picture for a terminal.
func (s standing) lines() []line {
	var lines []line
	for i, e := range s.endpoints {
		lines = append(lines, endpointLine(e, s.tallies[i]))
	}
	settled := s.counted[client.Delivered] + s.counted[client.Failed]
	return append(lines,
		nil,
		line{{"  ", plain}, bar(settled, s.planned, 40, blue), {fmt.Sprintf("  %d of %d settled", settled, s.planned), bold}, {fmt.Sprintf("  %.1f s", s.elapsed.Seconds()), faint}},
		line{
			{fmt.Sprintf("  %d accepted", s.accepted()), plain},
			{fmt.Sprintf("   %d delivered", s.counted[client.Delivered]), green},
			{fmt.Sprintf("   %d retrying", s.retrying()), yellow},
			{fmt.Sprintf("   %d waiting", s.counted[client.Pending]-s.retrying()), plain},
			{fmt.Sprintf("   %d failed", s.counted[client.Failed]), red},
		},
		line{{"  " + latencyWords(s.took), plain}},
	)
}

func endpointLine(e endpoint, t tally) line {
	colour := green
	if t.troubled > 0 {
		colour = yellow
	}
	l := line{
		{fmt.Sprintf("  %-10s", e.name), bold},
		{fmt.Sprintf(" %-28s ", e.manner), plain},
		bar(t.taken, t.planned, 20, colour),
		{fmt.Sprintf(" %4d of %d", t.taken, t.planned), plain},
	}
	if t.troubled > 0 {
		l = append(l, span{fmt.Sprintf("  %d failing, %s", t.troubled, number(t.requests, "request")), yellow})
	}
	return l
}

// bar shows how much of a whole there is.
func bar(part, whole, width int, looks style) span {
	full := 0
	if whole > 0 {
		full = min(width, part*width/whole)
	}
	return span{strings.Repeat("█", full) + strings.Repeat("░", width-full), looks}
}

// plainLine is the same for what is no terminal, in short.
func (s standing) plainLine() line {
	return lineOf(fmt.Sprintf("  %4.1f s  %d accepted, %d delivered, %d retrying, %d waiting, %d failed",
		s.elapsed.Seconds(), s.accepted(), s.counted[client.Delivered], s.retrying(),
		s.counted[client.Pending]-s.retrying(), s.counted[client.Failed]))
}

// latencyWords says how long the timed webhooks took.
func latencyWords(took []time.Duration) string {
	if len(took) == 0 {
		return "POST → disk → receiver: nothing yet"
	}
	return fmt.Sprintf("POST → disk → receiver, where that answers at once: p50 %s   p95 %s   p99 %s",
		milliseconds(percentile(took, 50)), milliseconds(percentile(took, 95)), milliseconds(percentile(took, 99)))
}
