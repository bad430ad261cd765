package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/client"
)

// service acknowledges an event after its key has been posted often enough.
type service struct {
	mu       sync.Mutex
	failures int   // posts of each event that fail at first
	err      error // how they fail
	posts    map[string]int
	accepted []string
}

func (s *service) publish(_ context.Context, _ string, e client.Event) (client.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts[e.IdempotencyKey]++
	if s.posts[e.IdempotencyKey] <= s.failures {
		return client.Receipt{}, s.err
	}
	s.accepted = append(s.accepted, "event-of-"+e.IdempotencyKey)
	return client.Receipt{EventID: "event-of-" + e.IdempotencyKey}, nil
}

func TestProducer(t *testing.T) {
	for _, c := range []struct {
		reason   string
		failures int
		err      error
		fails    bool
	}{
		{"a service that accepts everything", 0, nil, false},
		{"a service that is unavailable for a while: each post is repeated with the same key", 3, errors.New("connection refused"), false},
		{"a full backlog, for a while", 2, &client.Problem{Status: 429}, false},
		{"an unknown API key: the post is not repeated", 1, &client.Problem{Status: 401}, true},
		{"a service that never comes back: the producer gives up after its grace period", 1 << 30, errors.New("connection refused"), true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &service{failures: c.failures, err: c.err, posts: map[string]int{}}
				var out, failures bytes.Buffer
				p := &producer{publish: s.publish, subscription: "s", out: &out, failures: &failures}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := p.run(ctx, 8, 100*time.Millisecond)
				if (err != nil) != c.fails {
					t.Fatalf("the error is %v, want one: %v", err, c.fails)
				}
				printed := strings.Fields(out.String())
				slices.Sort(printed)
				slices.Sort(s.accepted)
				if !slices.Equal(printed, s.accepted) {
					t.Errorf("%d ids were printed and %d events accepted", len(printed), len(s.accepted))
				}
				if !c.fails && len(printed) < 50 {
					t.Errorf("only %d events were published", len(printed))
				}
				if repeated := strings.Count(failures.String(), "\n"); !c.fails && repeated != c.failures*len(s.posts) {
					t.Errorf("%d failures were printed, want %d for each of %d events", repeated, c.failures, len(s.posts))
				}
			})
		})
	}
}
