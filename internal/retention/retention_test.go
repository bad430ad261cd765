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

// shelf is a store with old expired deliveries.
type shelf struct {
	mu    sync.Mutex
	old   int
	fails func() error
	calls []call
}

type call struct {
	at, before, now time.Time
	limit           int
}

func (s *shelf) Expire(_ context.Context, before, now time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{time.Now(), before, now, limit})
	if s.fails != nil {
		if err := s.fails(); err != nil {
			return 0, err
		}
	}
	n := min(s.old, limit)
	s.old -= n
	return n, nil
}

func TestDeletesInSmallSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{old: 2*step + 30}
		n, err := Retention{Store: s, Keep: 72 * time.Hour, Log: slog.New(slog.DiscardHandler)}.runOnce(t.Context(), systemClock())
		if n != 2*step+30 || err != nil || s.old != 0 {
			t.Errorf("deleted %d with error %v, and %d are left", n, err, s.old)
		}
		if len(s.calls) != 4 {
			t.Fatalf("%d steps, want three that delete and one that finds nothing", len(s.calls))
		}
		for i, c := range s.calls {
			if c.limit != step || !c.now.Equal(c.at) || c.now.Sub(c.before) != 72*time.Hour {
				t.Errorf("step %d asked for %d older than %v, as of %v ago", i, c.limit, c.now.Sub(c.before), c.at.Sub(c.now))
			}
			if i > 0 && c.at.Sub(s.calls[i-1].at) != pause {
				t.Errorf("step %d came after %v, want a pause of %v", i, c.at.Sub(s.calls[i-1].at), pause)
			}
		}
	})
}

func TestRunsInRoundsUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Retention{Store: s, Keep: time.Hour, Log: slog.New(slog.DiscardHandler)}.Run(ctx) }()
		time.Sleep(10*every + time.Second)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if len(s.calls) != 11 {
			t.Errorf("%d rounds in ten minutes, want one at once and one each minute", len(s.calls))
		}
	})
}

// When its context ends, Run returns after the current step.
func TestStopsBetweenSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{old: 1_000_000}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Retention{Store: s, Keep: time.Hour, Log: slog.New(slog.DiscardHandler)}.Run(ctx) }()
		time.Sleep(10*pause + pause/2)
		stop()
		began := time.Now()
		if err := <-ended; err != nil || time.Since(began) != 0 || len(s.calls) != 11 {
			t.Errorf("it ended with %v, %v after its context, after %d steps", err, time.Since(began), len(s.calls))
		}
	})
}

func TestTriesAgainAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began := time.Now()
		s := &shelf{old: 5, fails: func() error {
			if time.Since(began) < every/2 {
				return errors.New("disk on fire")
			}
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- Retention{Store: s, Keep: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))}.Run(ctx)
		}()
		time.Sleep(every + every/2)
		stop()
		<-ended
		if s.old != 0 {
			t.Errorf("%d are left after the error is gone", s.old)
		}
		if strings.Count(log.String(), "disk on fire") != 1 {
			t.Errorf("the log does not contain the error once: %s", log.String())
		}
	})
}

// Stopping must not be logged as an error.
func TestStopIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		s := &shelf{fails: func() error { return context.Canceled }}
		stop()
		if err := (Retention{Store: s, Keep: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))}).Run(ctx); err != nil || log.Len() > 0 {
			t.Errorf("ended with %v, logged %q", err, log.String())
		}
	})
}
