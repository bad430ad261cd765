package retention

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// clearing is a store with subscriptions of deleted tenants.
type clearing struct {
	mu    sync.Mutex
	left  int
	err   error
	steps []int
}

func (c *clearing) ClearTenants(_ context.Context, _ time.Time, limit int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	n := min(c.left, limit)
	c.left -= n
	c.steps = append(c.steps, n)
	return n, nil
}

func (c *clearing) set(err error, left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.left = err, left
}

func (c *clearing) counts() (left int, steps []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left, c.steps
}

func TestSubscriptionsOfDeletedTenantsAreDeletedInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &clearing{left: 2*clearStep + 1}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- Tenants{Store: s, Log: slog.New(slog.NewTextHandler(&log, nil))}.Run(ctx) }()
		time.Sleep(clearEvery / 2)
		synctest.Wait()
		if left, steps := s.counts(); left != 0 || len(steps) != 4 {
			t.Errorf("after the first round %d are left; the steps were %v", left, steps)
		}
		s.set(errors.New("out of order"), 0)
		time.Sleep(5 * clearEvery)
		synctest.Wait()
		if n := strings.Count(log.String(), "could not delete the subscriptions"); n != 1 {
			t.Errorf("%d warnings about one failure:\n%s", n, log.String())
		}
		s.set(nil, 1)
		time.Sleep(2 * clearEvery)
		synctest.Wait()
		if left, _ := s.counts(); left != 0 {
			t.Error("it does not continue after a failure")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
