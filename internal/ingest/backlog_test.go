package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// queue is a store that only counts pending deliveries.
type queue struct {
	mu     sync.Mutex
	now    event.Waiting
	took   time.Duration
	err    error
	many   int
	counts []time.Time
}

func (q *queue) Waiting(_ context.Context, many int) (event.Waiting, error) {
	q.mu.Lock()
	q.many, q.counts = many, append(q.counts, time.Now())
	now, err, took := q.now, q.err, q.took
	q.mu.Unlock()
	time.Sleep(took)
	return now, err
}

// returns sets the results of the next counts.
func (q *queue) returns(now event.Waiting, took time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.now, q.took, q.err = now, took, err
}

func TestTheBacklogIsBounded(t *testing.T) {
	w := newWorld()
	id, other := w.sub.ID, event.NewID(w.now)
	for _, c := range []struct {
		why   string
		now   event.Waiting
		err   error
		words string // in the error; "" means no error
	}{
		{"nothing is pending", event.Waiting{}, nil, ""},
		{"one below the limit", event.Waiting{Total: 99}, nil, ""},
		{"the limit is reached", event.Waiting{Total: 100}, nil, "100 deliveries are pending, and HOOKFERRY_MAX_PENDING is 100"},
		{"the limit for this subscription is reached", event.Waiting{Total: 30, Many: map[event.ID]int{id: 25}}, nil, "25 deliveries of this subscription are pending, and HOOKFERRY_MAX_PENDING_PER_SUBSCRIPTION is 20"},
		{"the limit for another subscription is reached", event.Waiting{Total: 30, Many: map[event.ID]int{other: 25}}, nil, ""},
		{"a count that failed", event.Waiting{Total: 100}, errors.New("no database"), ""},
	} {
		q := &queue{now: c.now, err: c.err}
		b := &Backlog{Store: q, Most: 100, MostOfOne: 20, Log: slog.New(slog.DiscardHandler)}
		w := newWorld()
		w.sub.ID = id
		in := &Ingest{Subscriptions: w, Store: w, Handoff: w, Observer: w, Backlog: b, Now: func() time.Time { return w.now }}
		b.Count(t.Context())
		if q.many != 20 {
			t.Errorf("%s: the store was asked for subscriptions with %d", c.why, q.many)
		}
		_, err := in.Ingest(t.Context(), event.Submission{SubscriptionID: id, Body: []byte(good), ContentType: "application/json"})
		switch {
		case c.words == "" && err != nil:
			t.Errorf("%s: %v", c.why, err)
		case c.words != "" && (!errors.Is(err, event.ErrBacklog) || !strings.Contains(err.Error(), c.words)):
			t.Errorf("%s: %v, want %q", c.why, err, c.words)
		case c.words != "" && len(w.calls) > 0:
			t.Errorf("%s: the event was refused, but ingest called %q", c.why, w.calls)
		}
	}
}

// If a count fails, the last one stays in use. After a slow count, the next pause is longer.
func TestTheBacklogIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{now: event.Waiting{Total: 7}}
		b := &Backlog{Store: q, Most: 7, MostOfOne: 7, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		start := time.Now()
		go func() { ended <- b.Run(ctx) }()

		synctest.Wait()
		if b.check(event.ID{}) == nil {
			t.Error("the first count has no effect")
		}
		q.returns(event.Waiting{}, 0, errors.New("no database"))
		time.Sleep(countEvery)
		synctest.Wait()
		if b.check(event.ID{}) == nil {
			t.Error("after a count that failed, events are accepted")
		}
		q.returns(event.Waiting{}, time.Second, nil)
		time.Sleep(countEvery + time.Second)
		synctest.Wait()
		if err := b.check(event.ID{}); err != nil {
			t.Errorf("the backlog is no longer full, but: %v", err)
		}
		time.Sleep(countShare * time.Second)
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var at []time.Duration
		for _, c := range q.counts {
			at = append(at, c.Sub(start))
		}
		if want := []time.Duration{0, 2 * time.Second, 4 * time.Second, 25 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("counted at %v, want %v", at, want)
		}
	})
}
