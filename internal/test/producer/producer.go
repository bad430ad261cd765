package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hookferry/hookferry/client"
)

const (
	// pause is the time before a failed post is repeated.
	pause = 200 * time.Millisecond
	// grace is how long posts may continue after the signal.
	grace = time.Minute
)

var errUnfinished = fmt.Errorf("not every post was acknowledged within %v after the signal", grace)

// producer publishes events to one subscription.
type producer struct {
	publish      func(ctx context.Context, subscription string, e client.Event) (client.Receipt, error)
	subscription string

	mu       sync.Mutex
	out      io.Writer // ids of acknowledged events
	failures io.Writer // why posts were repeated
}

// run publishes an event every interval until ctx is done. If all connections are busy, it skips
// the event instead of queueing it.
func (p *producer) run(ctx context.Context, connections int, interval time.Duration) error {
	posts, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { cancel(errUnfinished) }) })

	turns := make(chan int)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for n := range turns {
				if err := p.one(posts, n); err != nil {
					cancel(err)
				}
			}
		})
	}
	count(ctx, posts, turns, interval)
	close(turns)
	wg.Wait()
	return context.Cause(posts)
}

// count sends 0, 1, 2 and so on, one each interval, until one of the contexts is done.
func count(stop, failed context.Context, turns chan<- int, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-stop.Done():
			return
		case <-failed.Done():
			return
		}
		select {
		case turns <- n:
		case <-stop.Done():
			return
		case <-failed.Done():
			return
		}
	}
}

// one publishes the n-th event, and repeats the post until it is acknowledged.
func (p *producer) one(ctx context.Context, n int) error {
	e := client.Event{Type: "producer.counted", Data: map[string]int{"n": n}, IdempotencyKey: fmt.Sprintf("%s-%d", p.subscription, n)}
	for {
		receipt, err := p.publish(ctx, p.subscription, e)
		if err == nil {
			return p.write(p.out, receipt.EventID)
		}
		if isFinal(err) {
			return fmt.Errorf("publish event %d: %w", n, err)
		}
		p.write(p.failures, time.Now().Format(time.TimeOnly)+" "+strings.ReplaceAll(err.Error(), "\n", " "))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("publish event %d: %w", n, err)
		}
	}
}

// write writes a whole line, even if other goroutines write at the same time.
func (p *producer) write(w io.Writer, line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintln(w, line)
	return err
}
