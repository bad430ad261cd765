package ingest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// workers is a Handoff that has capacity or refuses everything.
type workers struct {
	full  atomic.Bool
	asked atomic.Int64
}

func (w *workers) Reserve(context.Context, event.Subscription, int) (event.Lease, bool) {
	w.asked.Add(1)
	return event.Lease{}, !w.full.Load()
}

func (w *workers) TryReserve(event.Subscription, int) (event.Lease, bool) {
	return event.Lease{}, !w.full.Load()
}
func (*workers) Deliver(event.Claimed) {}
func (*workers) Cancel(event.ID, int)  {}
func (*workers) Overflow(event.ID)     {}

var (
	theBusy  = event.Subscription{ID: event.ID{15: 1}}
	theOther = event.Subscription{ID: event.ID{15: 2}}
)

// Only hints decide how long a request waits, and it never waits for longer than the limit.
func TestBrake(t *testing.T) {
	const ms = time.Millisecond
	repeated := func(b *Brake) { // as long as the test lasts
		for range 100 {
			b.Behind(theBusy.ID, true)
			time.Sleep(50 * ms)
		}
	}
	for name, row := range map[string]struct {
		hints func(b *Brake)
		sub   event.Subscription
		full  bool
		want  time.Duration
	}{
		"no hint":                                {func(*Brake) {}, theBusy, false, 0},
		"no hint and no capacity":                {func(*Brake) {}, theBusy, true, 0},
		"a hint that is not repeated":            {func(b *Brake) { b.Behind(theBusy.ID, true) }, theBusy, false, behindLasts},
		"a hint that is repeated for long":       {repeated, theBusy, false, maxBrake},
		"the same without capacity":              {repeated, theBusy, true, maxBrake},
		"a hint about another subscription":      {repeated, theOther, false, 0},
		"a hint that it is over":                 {func(b *Brake) { b.Behind(theBusy.ID, true); time.Sleep(30 * ms); b.Behind(theBusy.ID, false) }, theBusy, false, 30 * ms},
		"a hint that it is over without another": {func(b *Brake) { b.Behind(theBusy.ID, false) }, theBusy, false, 0},
		"a hint that it is over, and another that it began again": {func(b *Brake) {
			b.Behind(theBusy.ID, true)
			time.Sleep(30 * ms)
			b.Behind(theBusy.ID, false)
			b.Behind(theBusy.ID, true)
			time.Sleep(50 * ms)
			b.Behind(theBusy.ID, false)
		}, theBusy, false, 80 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &workers{}
				w.full.Store(row.full)
				b := NewBrake(w)
				var hints sync.WaitGroup
				defer hints.Wait()
				hints.Go(func() { row.hints(b) })
				synctest.Wait()
				began := time.Now()
				if _, ok := b.Reserve(t.Context(), row.sub, 1); ok == row.full {
					t.Errorf("reserved: %v, full: %v", ok, row.full)
				}
				if took := time.Since(began); took != row.want {
					t.Errorf("it waited %v, want %v", took, row.want)
				}
				if w.asked.Load() == 0 {
					t.Error("the handoff was not asked for capacity")
				}
				if b.waiting != 0 {
					t.Errorf("%d are still counted as waiting", b.waiting)
				}
			})
		})
	}
}

// A request that waits for capacity keeps waiting if other requests take the capacity first. The
// limit stays the same.
func TestBrakeHoldsWhatFindsNoCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workers{}
		w.full.Store(true)
		b := NewBrake(w)
		b.Handoff = marking{w, b}
		began := time.Now()
		time.AfterFunc(120*time.Millisecond, func() { w.full.Store(false); b.Behind(theBusy.ID, false) })
		if _, ok := b.Reserve(t.Context(), theBusy, 1); !ok {
			t.Error("there was capacity, but Reserve returned none")
		}
		if took := time.Since(began); took != 120*time.Millisecond {
			t.Errorf("it waited %v", took)
		}
	})
}

// marking is a Handoff that itself reports that the workers are behind.
type marking struct {
	*workers
	b *Brake
}

func (m marking) Reserve(ctx context.Context, sub event.Subscription, size int) (event.Lease, bool) {
	lease, ok := m.workers.Reserve(ctx, sub, size)
	if !ok {
		m.b.Behind(sub.ID, true)
	}
	return lease, ok
}

// A cancelled request does not wait, and no request waits if very many are waiting already.
func TestBrakeLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBrake(&workers{})
		b.Behind(theBusy.ID, true)
		ctx, gone := context.WithCancel(t.Context())
		gone()
		began := time.Now()
		b.Reserve(ctx, theBusy, 1)
		b.waiting = maxBraked
		b.Reserve(t.Context(), theBusy, 1)
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited %v", took)
		}
	})
}

// Hints about subscriptions for which nothing is published must not accumulate.
func TestBrakeForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBrake(&workers{})
		for n := range 3 * maxBraked {
			b.Behind(event.ID{13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}, true)
			if n%maxBraked == 0 {
				time.Sleep(2 * behindLasts)
			}
		}
		if n := len(b.behind); n > maxBraked+1 {
			t.Errorf("%d hints are kept", n)
		}
	})
}
