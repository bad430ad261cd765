package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookferry/hookferry/client"
	"github.com/hookferry/hookferry/internal/terminal"
)

const (
	// pauseFor is how long the publisher waits before it sends events again that were not stored.
	pauseFor = time.Second
	// maxRounds limits how often events are sent again while the service takes none of them.
	maxRounds = 30
)

// filePublisher publishes the events of a file, counts them, and reports those that fail.
type filePublisher struct {
	streams
	client *client.Client
	asJSON bool
	screen *terminal.Screen                           // the progress, on a terminal only
	pause  func(context.Context, time.Duration) error // before events are sent again

	batch                         []fileEvent // not published yet
	read                          int         // the last line that was read into a batch
	published, deliveries, failed int
}

func newFilePublisher(s streams, c *client.Client, asJSON bool) *filePublisher {
	return &filePublisher{streams: s, client: c, asJSON: asJSON, screen: terminal.NewScreen(s.err), pause: sleep}
}

// send publishes the batch. What the service could not take, it sends again after a pause.
func (p *filePublisher) send(ctx context.Context) error {
	for rounds := 0; len(p.batch) > 0; rounds++ {
		if rounds > 0 {
			if err := p.pause(ctx, pauseFor); err != nil {
				return err
			}
		}
		before := len(p.batch)
		if err := p.round(ctx, rounds >= maxRounds); err != nil {
			return err
		}
		if len(p.batch) < before {
			rounds = 0
		}
	}
	return nil
}

// round sends the batch once, and leaves in it what is to be sent again. The last round leaves nothing.
func (p *filePublisher) round(ctx context.Context, isLast bool) error {
	var events []client.Event
	for _, e := range p.batch {
		events = append(events, e.event)
	}
	results, err := p.client.PublishBatch(ctx, events)
	if problem, ok := errors.AsType[*client.Problem](err); ok && isNotStored(problem.Code) && !isLast {
		return nil // all of it is sent again
	}
	if err != nil {
		return err
	}
	var left []fileEvent
	for i, r := range results {
		switch e := p.batch[i]; {
		case r.Status == 0:
			p.done(e.line, r.Published)
		case isNotStored(r.Code) && !isLast:
			left = append(left, e)
		default:
			p.fail(e.line, errorOf(i, r))
		}
	}
	p.batch = left
	p.screen.Draw([]terminal.Line{terminal.LineOf(fmt.Sprintf("%d published, %d failed; line %d", p.published, p.failed, p.read))})
	return nil
}

// isNotStored reports whether a code says that the event was not stored, but may be if it is sent
// again. Other problems of the service may come after the event was stored.
func isNotStored(code string) bool {
	return slices.Contains([]string{"not_taken", "rate_limited", "backlog_full", "overloaded", "too_many_connections"}, code)
}

// errorOf returns the problem of the event at this place of a batch, without the place.
func errorOf(place int, r client.BatchResult) error {
	prefix := fmt.Sprintf("events[%d]", place)
	var said []string
	for _, f := range r.Errors {
		field := strings.TrimPrefix(strings.TrimPrefix(f.Field, prefix), ".")
		said = append(said, strings.TrimPrefix(field+": "+f.Message, ": "))
	}
	if len(said) == 0 {
		said = []string{r.Detail}
	}
	return fmt.Errorf("%s", strings.Join(said, "; "))
}

func (p *filePublisher) done(line int, result client.Published) {
	p.published++
	p.deliveries += result.Deliveries
	if p.asJSON {
		terminal.WriteJSONLine(p.out, struct {
			Line int `json:"line"`
			client.Published
		}{line, result})
	}
}

// fail reports an event that was not published.
func (p *filePublisher) fail(line int, err error) {
	p.failed++
	if p.asJSON {
		terminal.WriteJSONLine(p.out, struct {
			Line  int    `json:"line"`
			Error string `json:"error"`
		}{line, readable(err)})
		return
	}
	p.screen.Draw(nil)
	p.screen.Print(terminal.LineOf(fmt.Sprintf("line %d: %s", line, strings.Join(terminal.CleanLines(readable(err)), "\n"))))
}

// summary says how many events were published.
func (p *filePublisher) summary() {
	p.screen.Draw(nil)
	if !p.asJSON {
		fmt.Fprintf(p.out, "%s published, %s; %d failed\n", terminal.Number(p.published, "event"), deliveries(p.deliveries), p.failed)
	}
}

// located says which lines an error that stopped the publisher is about.
func (p *filePublisher) located(err error) error {
	if len(p.batch) == 0 {
		return err
	}
	first, last := p.batch[0].line, p.batch[len(p.batch)-1].line
	return fmt.Errorf("stopped at the events of the lines %d to %d, which may or may not have been published: %w", first, last, err)
}
